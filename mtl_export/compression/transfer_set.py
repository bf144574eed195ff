"""checkpoint (+ unlabelled files) -> what its students learn from: rows, and the teacher's answers to them.

The term is that of G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015.
"""

import dataclasses
import logging
import time
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
from mtl_runtime.core.clock import spoken_duration
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.dataset.examples import Example, find_columns
from mtl_runtime.report.number_format import plural

__all__ = ["TransferSet", "digest_files", "prepare_transfer_set"]

_log = logging.getLogger(__name__)

_TEXTS_AT_ONCE = 4096
_SECONDS_WORTH_A_LINE = 10


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
    _log.info("the teacher answers %s, which its students learn from", plural(len(rows), "text"))
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
    if not found:
        _log.warning("--texts adds nothing: the teacher's own data hold all of its sentences")
    _log.info("%s of --texts, besides those of the teacher's data", plural(len(found), "distinct sentence"))
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
    """The teacher's answers, with a line now and then of how long the rest takes."""
    model.to(training_device())
    start, parts = time.monotonic(), []
    for first in range(0, len(texts), _TEXTS_AT_ONCE):
        parts.append(model.answer_tokens(model.tokenize(texts[first : first + _TEXTS_AT_ONCE])))
        done, seconds = min(first + _TEXTS_AT_ONCE, len(texts)), time.monotonic() - start
        left = (len(texts) - done) * seconds / done
        if left >= _SECONDS_WORTH_A_LINE:
            _log.info("the teacher has answered %s texts, about %s left", f"{done:,}", spoken_duration(left))
    model.to("cpu")
    logits = {task.name: np.concatenate([answers[task.name] for answers, _ in parts]) for task in model.spec.tasks}
    embeddings = np.concatenate([vectors for _, vectors in parts])
    # A cosine does not need lengths, and fp16 could not hold all of them.
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return TeacherAnswers(logits, (embeddings / np.maximum(lengths, 1e-12)).astype(np.float16))
