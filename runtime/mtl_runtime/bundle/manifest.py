"""manifest.json <-> Manifest: what a bundle holds and how its answers are to be read (format version 2; 1 is read too).

docs/bundle-format.md is the normative description; it changes in the same commit as FORMAT_VERSION.
"""

import builtins
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mtl_runtime.bundle.distillation_summary import DistillationSummary
from mtl_runtime.bundle.gate_config import DEFAULTS, GateConfig, precision_of
from mtl_runtime.bundle.training_summary import TrainingSummary
from mtl_runtime.core import records
from mtl_runtime.errors import BundleError, RecordError
from mtl_runtime.wording import enumerate_names, shorten

__all__ = [
    "DEFAULT_VARIANT",
    "EMBEDDING_OUTPUT",
    "FORMAT_VERSION",
    "FORMAT_WITH_DIGEST",
    "MANIFEST_NAME",
    "READABLE_VERSIONS",
    "TASK_NAME",
    "Calibration",
    "EncoderSpec",
    "FileSpec",
    "Kind",
    "Manifest",
    "Pooling",
    "Standardization",
    "TaskSpec",
    "VariantSpec",
    "graph_metadata",
    "logits_output",
]

FORMAT_VERSION = 2  # 1 had no golden answers of variants, and no digest beside it
FORMAT_WITH_DIGEST = 2
READABLE_VERSIONS = (1, FORMAT_VERSION)
MANIFEST_NAME = "manifest.json"
EMBEDDING_OUTPUT = "sentence_embedding"
# What every bundle holds, and what a machine runs on which nothing was measured.
DEFAULT_VARIANT = "cpu-fp32"

Kind = Literal["single_label", "multi_label", "regression"]
Pooling = Literal["mean", "cls", "max", "pooler"]

_MOST_NAME = 200  # characters of a name
_MOST_LABEL = 1_000  # characters of a label, or of a cell that stands for none
_MOST_LABELS = 100_000
_MOST_TASKS = 1_000
_MOST_NUMBER = 1e30  # larger ones overflow in float32 with the next operation
_MOST_ID = 2**31 - 1  # of a token

TASK_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_VARIANT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")

# Hashing leaves the interpreter to other threads, and after each piece waits up to 5 ms to have it back: with
# hashlib.file_digest's pieces of 256 KB a graph takes twice its time while libraries are imported.
_PIECE_BYTES = 4 * 2**20


def logits_output(task: str) -> str:
    """Name of the graph output that holds the logits of ``task``."""
    return f"logits.{task}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standardization:
    """A regression's numbers are learnt as (number - mean) / deviation: its logits have mean 0 and deviation 1."""

    # Of the training rows, in the task's unit.
    mean: float = field(metadata=records.bounds(-_MOST_NUMBER, _MOST_NUMBER))
    # Standard deviation of the training rows, in the task's unit.
    deviation: float = field(metadata=records.bounds(most=_MOST_NUMBER))

    def __post_init__(self) -> None:
        records.check_bounds(self)
        if not self.deviation > 0:
            raise RecordError("deviation", f"{self.deviation} is not a positive number")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """One question about a sentence, and how its logits become an answer."""

    name: str = field(metadata=records.bounds(characters=_MOST_NAME))  # [a-z][a-z0-9_]*
    kind: Kind
    # In the order of the logits; empty for a regression.
    labels: tuple[str, ...] = field(default=(), metadata=records.bounds(characters=_MOST_LABEL, count=_MOST_LABELS))
    # multi_label: a label is given from this probability on.
    thresholds: tuple[float, ...] = field(default=(), metadata=records.bounds(0, 1, count=_MOST_LABELS))
    # Logits are divided by it before they become probabilities.
    temperature: float = field(default=1.0, metadata=records.bounds(most=_MOST_NUMBER))
    # regression: its number is logit * deviation + mean; absent: the number is the logit
    standardization: Standardization | None = field(default=None, metadata=records.if_set())
    # How cells with labels are read where the bundle is measured on labelled sentences: whether a twin of a label, such
    # as Film, is that label, and what stands for no label, such as N/A.
    fold_labels: bool = field(default=False, metadata=records.if_set())
    missing: tuple[str, ...] = field(
        default=(), metadata={**records.if_set(), **records.bounds(characters=_MOST_LABEL, count=_MOST_LABELS)}
    )

    def __post_init__(self) -> None:
        records.check_bounds(self)
        if not TASK_NAME.match(self.name):
            raise RecordError("name", f"{self.name!r} is no task name; use a-z, 0-9, _ and start with a letter")
        if len(set(self.labels)) != len(self.labels):
            raise RecordError("labels", f"task {self.name!r} names a label twice")
        least = {"single_label": 2, "multi_label": 1, "regression": 0}[self.kind]
        if len(self.labels) < least or (self.kind == "regression" and self.labels):
            raise RecordError("labels", f"{len(self.labels)} labels cannot make a {self.kind} task")
        if len(self.thresholds) != (len(self.labels) if self.kind == "multi_label" else 0):
            raise RecordError("thresholds", "one per label for a multi_label task, none for other kinds")
        if not self.temperature > 0:
            raise RecordError("temperature", f"{self.temperature} is not a positive number")
        if self.standardization is not None and self.kind != "regression":
            raise RecordError("standardization", f"a {self.kind} task has labels, and no numbers to standardize")

    @property
    def width(self) -> int:
        """Number of logits per sentence."""
        return len(self.labels) or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSpec:
    """Facts of the encoder that the runtime needs, or that a reader of the bundle asks for."""

    # transformers' model_type, such as "bert"
    family: str = field(metadata=records.bounds(characters=_MOST_NAME))
    # Hub id or folder name it was trained from.
    source: str = field(metadata=records.bounds(characters=4_096))
    hidden_size: int = field(metadata=records.bounds(1, 2**20))
    pooling: Pooling
    # Tokens, special ones included; longer texts are truncated.
    max_length: int = field(metadata=records.bounds(3, 2**20))
    pad_id: int = field(metadata=records.bounds(0, _MOST_ID))
    # Rows of the embedding table, one for each token id; absent: not known.
    vocab_size: int | None = field(default=None, metadata=records.if_set() | records.bounds(1, _MOST_ID + 1))

    def __post_init__(self) -> None:
        records.check_bounds(self)
        if self.vocab_size is not None and self.vocab_size <= self.pad_id:
            raise RecordError("vocab_size", f"{self.vocab_size} rows have none for pad_id {self.pad_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How one variant's logits of one task become answers, fitted on its own logits of validation sentences."""

    temperature: float
    thresholds: tuple[float, ...] = ()  # multi_label


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSpec:
    """One way to run the bundle: a graph file on an execution provider."""

    graph: str = field(metadata=records.bounds(characters=_MOST_NAME))  # file name inside the bundle
    # A name of mtl_runtime.providers.registry.PROVIDERS, such as "cpu".
    provider: str = field(metadata=records.bounds(characters=_MOST_NAME))
    provider_options: Mapping[str, str] = field(metadata=records.bounds(characters=10_000, count=100))
    # By task; absent: the task's own.
    calibration: Mapping[str, Calibration] = field(
        default_factory=dict, metadata=records.bounds(characters=_MOST_NAME, count=_MOST_TASKS)
    )
    # Weights of 7 bits: a product with uint8 and the next one to it together fit 16 bits, so that no kernel saturates.
    sums_fit_16_bits: bool = field(default=False, metadata=records.if_set())
    # File with this variant's own answers to golden texts; absent: it was not verified when the bundle was made.
    golden_answers: str | None = field(
        default=None, metadata={**records.if_set(), **records.bounds(characters=_MOST_NAME)}
    )

    def __post_init__(self) -> None:
        records.check_bounds(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpec:
    """Promise about one file's bytes."""

    bytes: int = field(metadata=records.bounds(0, 2**50))
    sha256: str = field(metadata=records.bounds(characters=64))

    def __post_init__(self) -> None:
        records.check_bounds(self)
        if not _SHA256.match(self.sha256):
            raise RecordError("sha256", f"{self.sha256!r} is not a SHA-256 digest in lower-case hex")

    @classmethod
    def of(cls, data: builtins.bytes) -> "FileSpec":
        """The promise that ``data`` keeps."""
        return cls(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    @classmethod
    def of_file(cls, path: Path) -> "FileSpec":
        """The promise that a file of any size keeps, read piece by piece."""
        digest, size, piece = hashlib.sha256(), 0, memoryview(bytearray(_PIECE_BYTES))
        with path.open("rb", buffering=0) as stream:
            while count := stream.readinto(piece):
                digest.update(piece[:count])
                size += count
        return cls(bytes=size, sha256=digest.hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that a bundle says of itself; it never changes after export and holds no measurements."""

    format_version: int
    tasks: tuple[TaskSpec, ...] = field(metadata=records.bounds(count=_MOST_TASKS))
    encoder: EncoderSpec
    # Of the graph, int64 (batch, sequence).
    inputs: tuple[str, ...] = field(metadata=records.bounds(characters=_MOST_NAME, count=16))
    # logits.<task> float32 (batch, width) in the tasks' order, then sentence_embedding (batch, hidden_size)
    outputs: tuple[str, ...] = field(metadata=records.bounds(characters=2 * _MOST_NAME, count=_MOST_TASKS + 1))
    variants: Mapping[str, VariantSpec] = field(metadata=records.bounds(characters=_MOST_NAME, count=100))
    files: Mapping[str, FileSpec] = field(metadata=records.bounds(characters=_MOST_NAME, count=1_000))
    # Package -> version at export.
    made_with: Mapping[str, str] = field(metadata=records.bounds(characters=_MOST_LABEL, count=1_000))
    gate: GateConfig = field(default_factory=GateConfig)  # budgets, for gates on other machines
    training: TrainingSummary | None = field(default=None, metadata=records.if_set())
    # Of a model that was distilled from a larger one.
    distillation: DistillationSummary | None = field(default=None, metadata=records.if_set())
    # Columns of the training files that held the texts; absent: not known.
    text_columns: tuple[str, ...] = field(
        default=(), metadata={**records.if_set(), **records.bounds(characters=2**16, count=1_000)}
    )

    def __post_init__(self) -> None:
        records.check_bounds(self)
        names = [task.name for task in self.tasks]
        if not names or len(set(names)) != len(names):
            raise RecordError("tasks", "a bundle has at least one task, and no name twice")
        if self.outputs != (*map(logits_output, names), EMBEDDING_OUTPUT):
            raise RecordError(
                "outputs", f"{enumerate_names(self.outputs)} do not fit the tasks {enumerate_names(names)}"
            )
        for name in self.files:
            if not _FILE_NAME.match(name):
                raise RecordError("files", f"{name!r} is not a plain file name")
        for name in self.variants:
            self._check_variant(name)
        for name, place in self.gate.named_tasks.items():
            if name not in names:
                raise RecordError(f"gate.{place}", "there is no such task")
        if not self.variants or "tokenizer.json" not in self.files:
            raise RecordError("", "a bundle has at least one variant and a tokenizer.json")

    def _check_variant(self, name: str) -> None:
        variant = self.variants[name]
        if precision_of(name) not in DEFAULTS or not _VARIANT_NAME.match(name):
            known = ", ".join(DEFAULTS)
            raise RecordError(f"variants.{name}", f"a variant is named <provider>-<precision>; precisions: {known}")
        if variant.graph not in self.files:
            raise RecordError(f"variants.{name}.graph", f"{variant.graph!r} is not among the files")
        if variant.golden_answers not in (None, *self.files):
            raise RecordError(f"variants.{name}.golden_answers", f"{variant.golden_answers!r} is not among the files")
        if unknown := sorted(variant.calibration.keys() - {task.name for task in self.tasks}):
            raise RecordError(f"variants.{name}.calibration.{unknown[0]}", "there is no such task")
        self.answers_of(name)  # a temperature or threshold that cannot be raises here

    @classmethod
    def from_json(cls, text: str | bytes) -> "Manifest":
        """Parse and check.

        Raises:
            BundleError: another format version.
            RecordError: not a manifest; the message names the place.
        """
        data = records.parse_json(text, where=MANIFEST_NAME)
        version = data.get("format_version") if isinstance(data, dict) else None
        if version not in READABLE_VERSIONS or isinstance(version, bool):
            raise BundleError(
                f"{MANIFEST_NAME} has format version {shorten(str(version), 20)}, this mtl-export reads "
                f"{' and '.join(map(str, READABLE_VERSIONS))}; "
                f"export the bundle again, or install the version that wrote it"
            )
        return records.from_dict(cls, data, where=MANIFEST_NAME)

    def to_json(self) -> str:
        """Canonical bytes of manifest.json; the inverse of :meth:`from_json`."""
        return records.to_json(self)

    def answers_of(self, variant: str) -> "tuple[TaskSpec, ...]":
        """The tasks with the temperatures and thresholds of ``variant``."""
        own = self.variants[variant].calibration
        return tuple(
            dataclasses.replace(task, temperature=own[task.name].temperature, thresholds=own[task.name].thresholds)
            if task.name in own
            else task
            for task in self.tasks
        )

    def task(self, name: str) -> TaskSpec:
        """The task of that name (KeyError if there is none: ask ``tasks`` first)."""
        return {task.name: task for task in self.tasks}[name]


def graph_metadata(tasks: Iterable[TaskSpec], format_version: int = FORMAT_VERSION) -> dict[str, str]:
    """What the metadata_props of each graph in a bundle of that version say: plain onnxruntime needs no manifest."""
    content = [records.to_dict(task) for task in tasks]
    return {
        "mtl.format_version": str(format_version),
        "mtl.tasks": json.dumps(content, ensure_ascii=False, separators=(",", ":")),
    }
