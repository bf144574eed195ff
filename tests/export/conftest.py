"""Settings of the exporter's tests."""

import hashlib

import pytest
import torch
from transformers.utils import logging as transformers_logging

from mtl_export.graphs import graph_builder
from mtl_export.graphs.trace import trace_to_onnx

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()


def identify(model):
    """What a trace depends on: architecture, inputs, and weights."""
    digest = hashlib.sha256(repr((model.spec, tuple(model.inputs))).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().cpu().flatten().view(torch.uint8).numpy())
    return digest.digest()


class Traces:
    """The last model's traces: tests export one checkpoint again and again, and most of an export is its trace."""

    def __init__(self):
        self.forget()

    def forget(self):
        """Trace anew from now on."""
        self._model, self._traces = None, {}

    def trace(self, model, *, fused=False):
        """As trace_to_onnx, whose result the caller may change."""
        if (key := identify(model)) != self._model:
            self._model, self._traces = key, {}
        if fused not in self._traces:
            self._traces[fused] = trace_to_onnx(model, fused=fused)
        return self._traces[fused].clone()


@pytest.fixture(scope="session", autouse=True)
def kept_traces():
    """Equal checkpoints are traced once, as long as no other one is exported in between."""
    traces = Traces()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_builder, "trace_to_onnx", traces.trace)
        yield traces
