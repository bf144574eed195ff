"""position, class and title -> the marker of one series in a chart, with its figures in the title."""

from collections.abc import Callable, Sequence

from mtl_runtime.report.html import Markup, tag

__all__ = ["MARKERS"]


def _circle(x: float, y: float, class_: str, title: str) -> Markup:
    return tag("circle", tag("title", title), cx=x, cy=y, r=4.2, class_=class_)


def _polygon(*corners: tuple[float, float]) -> Callable[[float, float, str, str], Markup]:
    def draw(x: float, y: float, class_: str, title: str) -> Markup:
        points = " ".join(f"{x + dx:.2f},{y + dy:.2f}" for dx, dy in corners)
        return tag("polygon", tag("title", title), points=points, class_=class_)

    return draw


# Shapes distinguish series where colours do not.
MARKERS: Sequence[Callable[[float, float, str, str], Markup]] = (
    _circle,
    _polygon((-3.8, -3.8), (3.8, -3.8), (3.8, 3.8), (-3.8, 3.8)),
    _polygon((0, -5), (4.8, 3.6), (-4.8, 3.6)),
    _polygon((0, -5.4), (5.4, 0), (0, 5.4), (-5.4, 0)),
)
