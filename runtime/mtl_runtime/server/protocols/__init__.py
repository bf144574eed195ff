"""Protocols that clients speak, one module each: requests and answers in their shapes, over one service."""

from mtl_runtime.server.http.routes import Protocol
from mtl_runtime.server.protocols import explain_api, health, page_data, predict_api, web_page

__all__ = ["PROTOCOLS", "choose_protocols"]

# Errors at paths that no protocol has are written as the first one does.
PROTOCOLS: tuple[Protocol, ...] = (
    predict_api.PROTOCOL,
    explain_api.PROTOCOL,
    health.PROTOCOL,
    web_page.PROTOCOL,
    page_data.PROTOCOL,
)


def choose_protocols(*, page_data: bool) -> tuple[Protocol, ...]:
    """All protocols, or all but the one with which the page shows sentences of the bundles."""
    return tuple(protocol for protocol in PROTOCOLS if page_data or protocol.name != "page_data")
