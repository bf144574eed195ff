"""checkpoint (+ unlabelled files) -> what its students learn from: rows, and the teacher's answers to them.

The term is that of G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015.
"""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from mtl_export.checkpoint import Checkpoint
from mtl_export.config import Config
from mtl_export.data.examples import SourceFiles, read_examples
from mtl_export.errors import CheckpointError
from mtl_export.gate.comparison_data import check_data_is_unchanged, task_configs
from mtl_export.model import MultiTaskModel
from mtl_export.model.distillation import TeacherAnswers
from mtl_export.training.distilled_rows import DistilledRows
from mtl_export.training.plan import training_device
from mtl_export.training.training_data import TrainingData, data_digests
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.dataset.examples import Example, find_columns

__all__ = ["TransferSet", "digest_files", "prepare_transfer_set"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSet:
    """A teacher's data and answers."""

    config: Config  # the teacher's, with absolute paths
    data: TrainingData
    files: Mapping[str, FileSpec]  # all that was read, by absolute path
    rows: DistilledRows  # those of the training split, then the texts without labels
    texts: int  # without labels

    def take(self, *, rows: int, validation: int) -> Self:
        """The same with at most so many rows, and rows of the validation split, evenly spaced."""
        numbers = evenly_spaced(range(len(self.rows.rows)), rows)
        part = tuple(self.rows.rows[number] for number in numbers)
        held_out = tuple(evenly_spaced(self.data.validation.rows, validation))
        return dataclasses.replace(
            self,
            rows=dataclasses.replace(self.rows, rows=part, answers=self.rows.answers.of_rows(numbers)),
            data=dataclasses.replace(self.data, validation=dataclasses.replace(self.data.validation, rows=held_out)),
        )


def digest_files(teacher: Checkpoint, texts: Sequence[Path]) -> dict[str, FileSpec]:
    """Size and SHA-256 of all that a transfer set is read from, by absolute path.

    Raises:
        CheckpointError: a data file is missing or has changed, or the checkpoint is of an earlier format.
    """
    if teacher.record.format_version == 1:
        raise CheckpointError(
            f"{teacher.path} was trained by an earlier mtl-export; train again to make students of it"
        )
    for split in ("train", "validation"):
        check_data_is_unchanged(teacher, split, way_out="students learn from the same files; bring them back")
    return {**data_digests(teacher.config), **{str(file.absolute()): FileSpec.of_file(file) for file in texts}}


def prepare_transfer_set(
    teacher: Checkpoint, texts: Sequence[Path], files: Mapping[str, FileSpec], *, column: str | None = None
) -> TransferSet:
    """Read the teacher's data and the files ``texts``, and let the teacher answer every text once.

    Args:
        teacher: whose data files are read.
        texts: files of sentences; labels in them are not read. Texts that the teacher's splits have are left out:
            those of the training split are learnt from anyway, and the others are what students are judged by.
        files: of :func:`digest_files`, which checks them.
        column: of the sentences in ``texts``; default: as in training, if a file has such a column, else "text".

    Raises:
        TableError: a file cannot be read.
    """
    configs, config = task_configs(teacher), teacher.config
    labelled = {name: configs[name] for name in config.tasks}
    data = TrainingData.read(config, labelled)
    known = {spec.name: spec for spec in teacher.record.model.tasks}
    data = dataclasses.replace(data, specs=tuple(known[spec.name] for spec in data.specs))
    extra = _read_texts(teacher, texts, column, without=_known_texts(config, data)) if texts else []
    rows = (*data.train.rows, *extra)
    _log.info("the teacher answers %d texts, which its students learn from", len(rows))
    return TransferSet(
        config=config,
        data=data,
        files=files,
        rows=DistilledRows(
            rows=rows,
            answers=_answer(teacher.model, [row.text for row in rows]),
            specs=teacher.record.model.tasks,
            tasks=configs,
        ),
        texts=len(extra),
    )


def _read_texts(teacher: Checkpoint, files: Sequence[Path], column: str | None, *, without: set[str]) -> list[Example]:
    """The distinct texts of ``files``, as rows of a further source."""
    config = teacher.config
    found: dict[str, Example] = {}
    for file in files:
        text, _ = find_columns(
            file, trained=teacher.text_columns, asked=column, max_row_bytes=config.data.max_row_bytes
        )
        rows = _read_unlabelled(config, [SourceFiles(text=text, files=(str(file),), tasks=())])
        source = len(config.data.sources)
        found |= {
            row.text: dataclasses.replace(row, source=source) for row in rows if _squeeze(row.text) not in without
        }
    _log.info("%d distinct texts without labels, besides those of the teacher's data", len(found))
    return list(found.values())


def _known_texts(config: Config, data: TrainingData) -> set[str]:
    """Of all splits, with single spaces."""
    tested = [
        SourceFiles(text=source.text, files=source.test, tasks=()) for source in config.data.sources if source.test
    ]
    splits = (data.train.rows, data.validation.rows, _read_unlabelled(config, tested))
    return {_squeeze(row.text) for rows in splits for row in rows}


def _squeeze(text: str) -> str:
    """The text with single spaces: one that differs in spaces alone is the same sentence."""
    return " ".join(text.split())


def _read_unlabelled(config: Config, sources: Sequence[SourceFiles]) -> Sequence[Example]:
    return read_examples(
        sources,
        {},
        bad_rows=config.data.bad_rows,
        max_text_bytes=config.data.max_text_bytes,
        max_row_bytes=config.data.max_row_bytes,
    ).rows


def _answer(model: MultiTaskModel, texts: list[str]) -> TeacherAnswers:
    logits, embeddings = model.to(training_device()).answer_tokens(model.tokenize(texts))
    model.to("cpu")
    lengths = np.linalg.norm(
        embeddings, axis=1, keepdims=True
    )  # a cosine does not need them, and fp16 could not hold all
    return TeacherAnswers(logits, (embeddings / np.maximum(lengths, 1e-12)).astype(np.float16))
