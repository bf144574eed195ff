"""Protocols that clients speak, one module each: requests and answers in their shapes, over one service."""

from mtl_runtime.server.http.routes import Protocol
from mtl_runtime.server.protocols import explain_api, health, page_data, predict_api, web_page
from mtl_runtime.server.protocols.huggingface import text_embeddings_inference
from mtl_runtime.server.protocols.open_inference import rest
from mtl_runtime.server.protocols.openai import classify, embeddings
from mtl_runtime.server.protocols.openapi import openapi_protocol

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
    page_data.PROTOCOL,
)
PROTOCOLS: tuple[Protocol, ...] = (*_DESCRIBED, openapi_protocol(_DESCRIBED))


def choose_protocols(*, page_data: bool) -> tuple[Protocol, ...]:
    """All protocols, or all but the one with which the page shows sentences of the bundles."""
    return tuple(protocol for protocol in PROTOCOLS if page_data or protocol.name != "page_data")
