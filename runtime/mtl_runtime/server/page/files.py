"""Files of the page -> bytes, entity tag and headers that let a browser run nothing else."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from mtl_runtime.report.page_frame import hash_source, shared_style

__all__ = ["PAGE_PARTS", "PageFile", "page_media_type", "read_page_file"]

# What page.html loads: its style, and modules of which page.js imports the others.
PAGE_PARTS = ("page.css", "page.js", "answers.js", "code.js", "elements.js", "served.js", "server.js", "words.js")
_MEDIA_TYPES: Mapping[str, str] = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page as it is sent."""

    content: bytes
    media_type: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def etag(self) -> str:
        """Changes with the content."""
        return self.headers["ETag"]


@cache
def read_page_file(name: str) -> PageFile:
    """page.html, or one of its parts."""
    content = resources.files("mtl_runtime.server.page").joinpath(name).read_bytes()
    headers = {
        "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        "Cache-Control": "no-cache",  # ask whether it has changed
        "Content-Security-Policy": _policy(),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return PageFile(content, page_media_type(name), headers)


def page_media_type(name: str) -> str:
    """Of a file of the page, by its ending."""
    return _MEDIA_TYPES[name.rpartition(".")[2]]


def _policy() -> str:
    # The hash is that of evidence pages: on a server with API keys they are opened from memory, under this policy.
    return (
        f"default-src 'self'; style-src 'self' {hash_source(shared_style())}; object-src 'none'; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors 'none'"
    )
