"""model and training record <-> checkpoint folder of safetensors, JSON, a tokenizer and a page, whole or absent.

checkpoint.json     the model's spec, the config, the data files' digests, validation metrics, findings
model.safetensors   all weights, float32
tokenizer.json      padding and truncation stripped
training.html       the page of the training, for people
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from mtl_export.checkpoint.record import READABLE_VERSIONS, CheckpointRecord
from mtl_export.config import Config, SourceConfig
from mtl_export.errors import CheckpointError
from mtl_export.folder_marks import CHECKPOINT_RECORD, check_is_checkpoint
from mtl_export.model import MultiTaskModel
from mtl_export.upstream import is_failed_write
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.atomic_folder import atomic_folder
from mtl_runtime.core.outputs import os_errors_as_mtl_errors
from mtl_runtime.errors import BundleError, RecordError
from mtl_runtime.text.tokenizer import Tokenizer

__all__ = [
    "WEIGHTS_NAME",
    "Checkpoint",
    "load_checkpoint",
    "load_weights",
    "save_checkpoint",
    "weights_digest",
    "write_errors_of_libraries",
]

WEIGHTS_NAME = "model.safetensors"
TOKENIZER_NAME = "tokenizer.json"
PAGE_NAME = "training.html"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained model with its record and its folder."""

    path: Path
    model: MultiTaskModel
    record: CheckpointRecord

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns of the training files that held the texts, each once, in the order of the sources."""
        return tuple(dict.fromkeys(source.text for source in self.record.training.config.data.sources))

    @property
    def config(self) -> Config:
        """The config that it was trained with, its data files as absolute paths."""
        config = self.record.training.config
        sources = tuple(map(self._with_absolute_paths, config.data.sources))
        return dataclasses.replace(config, data=dataclasses.replace(config.data, sources=sources))

    def _with_absolute_paths(self, source: SourceConfig) -> SourceConfig:
        train, validation, test = (
            tuple(str(self.data_path(name)) for name in files)
            for files in (source.train, source.validation, source.test)
        )
        return dataclasses.replace(source, train=train, validation=validation, test=test)

    @property
    def data_files(self) -> tuple[Path, ...]:
        """Absolute paths of all data files that it was trained with, those of the test split included."""
        return tuple(map(self.data_path, self.record.training.files))

    def data_path(self, name: str) -> Path:
        """Absolute path of a data file that the config names relative to the checkpoint folder."""
        return Path(os.path.normpath(self.path.absolute() / name))


def save_checkpoint(
    path: Path, model: MultiTaskModel, record: CheckpointRecord, *, page: str, force: bool = False
) -> None:
    """Write the checkpoint folder ``path``, whole or not at all.

    Args:
        path: of the folder.
        model: its weights and tokenizer are written.
        record: of the model and its training.
        page: HTML about the training.
        force: replace an existing folder.

    Raises:
        MtlError: ``path`` exists and ``force`` is not set, it is a link, or cannot be written.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_folder(path, replace=force) as staging, os_errors_as_mtl_errors(path), write_errors_of_libraries(path):
        safetensors.torch.save_file(weights, staging / WEIGHTS_NAME)
        (staging / TOKENIZER_NAME).write_bytes(model.tokenizer.to_json())
        (staging / CHECKPOINT_RECORD).write_text(records.to_json(record), "utf-8")
        (staging / PAGE_NAME).write_text(page, "utf-8")


@contextmanager
def write_errors_of_libraries(folder: Path) -> Iterator[None]:
    """Say that ``folder`` cannot be written where torch or safetensors fail to write, as on a full disk.

    Raises:
        CheckpointError: such a failure, which these libraries do not raise as an OSError.
    """
    try:
        yield
    except (SafetensorError, RuntimeError) as error:
        if not is_failed_write(error):
            raise
        raise CheckpointError(f"{folder} cannot be written, perhaps because the disk is full: {error}") from error


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Load the checkpoint in folder ``path``: no network, no pickle.

    Raises:
        CheckpointError: the folder is not a checkpoint, or its files do not fit together.
    """
    folder = Path(path)
    check_is_checkpoint(folder)
    record = _read_record(folder / CHECKPOINT_RECORD)
    try:
        tokenizer = Tokenizer.from_bytes(
            (folder / TOKENIZER_NAME).read_bytes(), max_length=record.model.encoder.max_length
        )
        weights = safetensors.torch.load_file(folder / WEIGHTS_NAME)
    except (OSError, SafetensorError, BundleError) as error:
        raise CheckpointError(f"{folder} is damaged: {error}") from error
    model = MultiTaskModel.rebuild(record.model, tokenizer)
    load_weights(model, weights, str(folder / WEIGHTS_NAME))
    return Checkpoint(folder, model.eval(), record)


def load_weights(model: MultiTaskModel, weights: Mapping[str, torch.Tensor], source: str) -> None:
    """Load ``weights`` into ``model``.

    Raises:
        CheckpointError: a name is missing or unknown, or a shape differs.
    """
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{source} does not fit the model: {error}") from error


def weights_digest(checkpoint: Checkpoint) -> str:
    """SHA-256 of the checkpoint's weights."""
    return FileSpec.of_file(checkpoint.path / WEIGHTS_NAME).sha256


def _read_record(file: Path) -> CheckpointRecord:
    try:
        data = records.parse_json(file.read_bytes(), where=file.name)
        version = data.get("format_version") if isinstance(data, dict) else None
        if version not in READABLE_VERSIONS:
            known = " and ".join(map(str, READABLE_VERSIONS))
            raise CheckpointError(f"{file} has format version {version}, this mtl-export reads {known}; train again")
        return records.from_dict(CheckpointRecord, data, where=file.name)
    except RecordError as error:
        raise CheckpointError(f"{file.parent} is damaged: {error}") from error
