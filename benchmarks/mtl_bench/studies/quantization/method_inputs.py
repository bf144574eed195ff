"""checkpoint + calibration sentences -> MethodInputs: what every method builds its graph from."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx_ir as ir

from mtl_export.graphs.graph_builder import GraphBuilder
from mtl_export.model import MultiTaskModel
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["MethodInputs"]


@dataclass(frozen=True)
class MethodInputs:
    """One trained model and its calibration sentences."""

    model: MultiTaskModel
    texts: list[TokenizedText]
    folder: Path  # for temporary files

    @cached_property
    def graphs(self) -> GraphBuilder:
        """The exporter's own graphs and ranges."""
        return GraphBuilder(self.model, self.model.spec.tasks, self.texts, self.folder)

    @property
    def pad_id(self) -> int:
        """Of the encoder."""
        return self.model.spec.encoder.pad_id

    @cached_property
    def portable_file(self) -> Path:
        """The portable fp32 graph as a file, which onnxruntime's own tools read."""
        file = self.folder / "portable.onnx"
        ir.save(self.graphs.portable, file)
        return file
