"""classifier + request + columns -> everything that decides the bytes of an output."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mtl_runtime.bulk.request import PredictJob
from mtl_runtime.bulk.row_predictions import PredictionColumns
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.errors import RecordError
from mtl_runtime.text.validation import Aggregate, LongText

__all__ = ["AnswerSpec", "JobSpec", "answer_facts", "deciding_versions"]

# A resumed job opens the bundle with these numbers, before it is compared with the one that is asked for.
_MOST_THREADS = 4096
_MOST_BATCH_TOKENS = 2**31
# Their versions may change tokens, bits, or how a value is written.
_DECIDING = ("mtl-export", "numpy", "tokenizers", "onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "pyarrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSpec:
    """Everything but the input and the machine that decides the bytes of an output."""

    bundle: str  # SHA-256 of its manifest
    variant: str
    provider: str
    max_batch_tokens: int = dataclasses.field(metadata=records.keys("max_batch_tokens", "token_budget"))
    workers: int
    threads: int
    long_text: LongText
    aggregate: Mapping[str, Aggregate]  # by task
    max_text_bytes: int
    versions: Mapping[str, str]  # package -> version
    tasks: tuple[str, ...]
    column: str
    probabilities: bool
    prefix: str
    output_format: str
    chunk_rows: int
    chunk_characters: int

    def __post_init__(self) -> None:
        if not (self.workers >= 1 and self.threads >= 1 and self.workers * self.threads <= _MOST_THREADS):
            raise RecordError("threads", f"no job has {self.workers} workers with {self.threads} threads each")
        if not 1 <= self.max_batch_tokens <= _MOST_BATCH_TOKENS:
            raise RecordError("max_batch_tokens", f"{self.max_batch_tokens} is not between 1 and {_MOST_BATCH_TOKENS}")
        for name in ("max_text_bytes", "chunk_rows", "chunk_characters"):
            if getattr(self, name) < 1:
                raise RecordError(name, f"{getattr(self, name)} is less than 1")

    @property
    def load_arguments(self) -> dict[str, Any]:
        """Arguments of :func:`mtl_runtime.load` that open the same classifier again."""
        return {
            "variant": self.variant,
            "threads": self.workers * self.threads,
            "workers": self.workers,
            "max_batch_tokens": self.max_batch_tokens,
            "long_text": self.long_text,
            "aggregate": self.aggregate,
            "max_text_bytes": self.max_text_bytes,
        }

    def describe_difference(self, recorded: "AnswerSpec") -> str | None:
        """Describe the first field in which ``recorded`` differs from this job; None if they are equal."""
        for field in dataclasses.fields(self):
            now, then = getattr(self, field.name), getattr(recorded, field.name)
            if now != then:
                return _describe_change(field.name, now, then)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec(AnswerSpec):
    """Everything that decides the bytes of one output file; two runs of equal jobs write the same."""

    input: FileSpec  # the content counts, not name or date: hashing costs a thousandth of classifying
    machine: tuple[str, ...]  # processor, its relevant flags, GPUs: other kernels may round differently
    input_format: str


def answer_facts(job: PredictJob, columns: PredictionColumns) -> dict[str, Any]:
    """The fields of :class:`AnswerSpec` for ``job``."""
    info, inputs = job.classifier.info, job.classifier.settings.inputs
    return {
        "bundle": info.digest,
        "variant": info.variant,
        "provider": info.provider,
        "max_batch_tokens": info.max_batch_tokens,
        "workers": info.workers,
        "threads": info.threads,
        "long_text": inputs.long_text,
        "aggregate": inputs.aggregate,
        "max_text_bytes": inputs.max_text_bytes,
        "versions": deciding_versions(),
        "tasks": tuple(task.name for task in columns.tasks),
        "column": columns.text_column,
        "probabilities": columns.probabilities,
        "prefix": columns.prefix,
        "output_format": job.output_format,
        "chunk_rows": job.limits.rows,
        "chunk_characters": job.limits.characters,
    }


@functools.cache
def deciding_versions() -> Mapping[str, str]:
    """Versions of the installed packages that decide an output's bytes."""
    return installed_versions(_DECIDING)


def _describe_change(name: str, now: Any, then: Any) -> str:
    if isinstance(now, FileSpec):
        return "the input is another file, or was changed"
    if isinstance(now, Mapping):
        key = next(key for key in sorted({*now, *then}) if now.get(key) != then.get(key))
        return f"{name}[{key}] is {now.get(key, 'absent')} and was {then.get(key, 'absent')}"
    return f"{name} is {_to_json(now)} and was {_to_json(then)}"


def _to_json(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
