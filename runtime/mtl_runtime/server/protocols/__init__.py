"""Protocols that clients speak, one module each: requests and answers in their shapes, over one service."""

from mtl_runtime.server.http.routes import Protocol
from mtl_runtime.server.protocols import explain_api, health, predict_api, web_page
from mtl_runtime.server.protocols.huggingface import text_embeddings_inference
from mtl_runtime.server.protocols.open_inference import rest
from mtl_runtime.server.protocols.openai import classify, embeddings
from mtl_runtime.server.protocols.openapi import openapi_protocol
from mtl_runtime.server.protocols.page_data import PROTOCOL as PAGE_DATA
from mtl_runtime.server.protocols.page_data import page_data_for_local_pages

__all__ = ["PROTOCOLS", "choose_protocols"]

# Errors at paths that no protocol has are written as the first one does.
_DESCRIBED: tuple[Protocol, ...] = (
    predict_api.PROTOCOL,
    explain_api.PROTOCOL,
    health.PROTOCOL,
    text_embeddings_inference.PROTOCOL,
    classify.PROTOCOL,
    embeddings.PROTOCOL,
    rest.PROTOCOL,
    web_page.PROTOCOL,
    PAGE_DATA,
)
PROTOCOLS: tuple[Protocol, ...] = (*_DESCRIBED, openapi_protocol(_DESCRIBED))


def choose_protocols(*, page_data: bool, local_pages: bool = False) -> tuple[Protocol, ...]:
    """The protocols of a server.

    Args:
        page_data: show sentences of the bundles on the page.
        local_pages: to no page but those of this machine's own addresses.
    """
    chosen = (protocol for protocol in PROTOCOLS if page_data or protocol is not PAGE_DATA)
    return tuple(page_data_for_local_pages() if local_pages and one is PAGE_DATA else one for one in chosen)
