"""title, style and script -> the head of a self-contained page, whose own policy lets a browser apply exactly these."""

import base64
import hashlib
from importlib import resources

from mtl_runtime.report.html import Markup, tag

__all__ = ["head", "section", "shared_style"]


def head(title: str, style: str, *, script: str | None = None) -> Markup:
    """The element ``head``; whatever else data could smuggle in would not run.

    Args:
        title: of the page.
        style: its whole style sheet.
        script: that stands elsewhere in the page; None: there is none.
    """
    scripts = f"script-src {_hashed(script)}; " if script is not None else ""
    policy = f"default-src 'none'; style-src {_hashed(style)}; {scripts}base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(style)),
    )


def section(heading: str, *content: Markup, class_: str | None = None) -> Markup:
    """A part of the page under its heading."""
    return tag("section", tag("h2", heading), content, class_=class_)


def shared_style() -> str:
    """The style sheet that all pages of this project begin with."""
    return resources.files("mtl_runtime.report").joinpath("page.css").read_text("utf-8")


def _hashed(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
