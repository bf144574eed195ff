"""title, style and script -> the head of a self-contained page, whose security policy allows exactly these."""

import base64
import hashlib
from importlib import resources

from mtl_runtime.report.html import Markup, tag

__all__ = ["hash_source", "head", "section", "security_policy", "shared_style"]


def head(title: str, style: str, *, script: str | None = None) -> Markup:
    """Make the element ``head``; a browser runs nothing else that data may have smuggled in.

    Args:
        title: of the page.
        style: its whole style sheet.
        script: the script elsewhere in the page; None: there is none.
    """
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=security_policy(style, script=script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(style)),
    )


def security_policy(style: str, *, script: str | None = None) -> str:
    """The content security policy of a page that holds exactly this style sheet, and perhaps this script."""
    scripts = f"script-src {hash_source(script)}; " if script is not None else ""
    return f"default-src 'none'; style-src {hash_source(style)}; {scripts}base-uri 'none'; form-action 'none'"


def section(heading: str, *content: Markup, class_: str | None = None) -> Markup:
    """Make a section of the page with its heading."""
    return tag("section", tag("h2", heading), content, class_=class_)


def shared_style() -> str:
    """Read the style sheet that all pages of this project start with."""
    return resources.files("mtl_runtime.report").joinpath("page.css").read_text("utf-8")


def hash_source(content: str) -> str:
    """How a policy names one inline style sheet or script: by its SHA-256."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
