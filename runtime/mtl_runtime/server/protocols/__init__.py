"""Protocols that clients speak, one module each: requests and answers in their shapes, over one service."""

from mtl_runtime.server.http.routes import Protocol
from mtl_runtime.server.protocols import health, predict_api
from mtl_runtime.server.protocols.huggingface import text_embeddings_inference
from mtl_runtime.server.protocols.open_inference import rest
from mtl_runtime.server.protocols.openai import classify, embeddings
from mtl_runtime.server.protocols.openapi import openapi_protocol

__all__ = ["PROTOCOLS"]

# Errors at paths that no protocol has are written as the first one does.
_DESCRIBED: tuple[Protocol, ...] = (
    predict_api.PROTOCOL,
    health.PROTOCOL,
    text_embeddings_inference.PROTOCOL,
    classify.PROTOCOL,
    embeddings.PROTOCOL,
    rest.PROTOCOL,
)
PROTOCOLS: tuple[Protocol, ...] = (*_DESCRIBED, openapi_protocol(_DESCRIBED))
