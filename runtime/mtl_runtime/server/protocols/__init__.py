"""Protocols that clients speak, one module each: requests and answers in their shapes, over one service."""

from mtl_runtime.server.http.routes import Protocol
from mtl_runtime.server.protocols import explain_api, health, predict_api

__all__ = ["PROTOCOLS"]

# Errors at paths that no protocol has are written as the first one does.
PROTOCOLS: tuple[Protocol, ...] = (predict_api.PROTOCOL, explain_api.PROTOCOL, health.PROTOCOL)
