"""Protocols that clients speak, one module each: requests and answers in their shapes, over one service."""

from mtl_runtime.server.http.routes import Protocol
from mtl_runtime.server.protocols import health, predict_api
from mtl_runtime.server.protocols.open_inference import rest

__all__ = ["PROTOCOLS"]

# Errors at paths that no protocol has are written as the first one does.
PROTOCOLS: tuple[Protocol, ...] = (predict_api.PROTOCOL, health.PROTOCOL, rest.PROTOCOL)
