"""title, style and script -> the head of a self-contained page, whose security policy allows exactly these."""

import base64
import hashlib
from importlib import resources

from mtl_runtime.report.html import Markup, tag

__all__ = ["head", "section", "shared_style"]


def head(title: str, style: str, *, script: str | None = None) -> Markup:
    """Make the element ``head``; a browser runs nothing else that data may have smuggled in.

    Args:
        title: of the page.
        style: its whole style sheet.
        script: the script elsewhere in the page; None: there is none.
    """
    scripts = f"script-src {_hash_source(script)}; " if script is not None else ""
    policy = f"default-src 'none'; style-src {_hash_source(style)}; {scripts}base-uri 'none'; form-action 'none'"
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
    """Make a section of the page with its heading."""
    return tag("section", tag("h2", heading), content, class_=class_)


def shared_style() -> str:
    """Read the style sheet that all pages of this project start with."""
    return resources.files("mtl_runtime.report").joinpath("page.css").read_text("utf-8")


def _hash_source(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
