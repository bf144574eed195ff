"""bundle + texts -> predictions: the library's front door."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.batch import Batch
from mtl_runtime.bundle import Bundle
from mtl_runtime.choice import DEFAULT_VARIANT, Choice, choose
from mtl_runtime.decode import Prediction, check_finite, predictions
from mtl_runtime.errors import BundleError, RecordError, UnknownTaskError, UnknownVariantError
from mtl_runtime.evidence_files import read_evidence
from mtl_runtime.machine import allowed_cores, machine_facts
from mtl_runtime.manifest import EMBEDDING_OUTPUT, Manifest, TaskSpec, logits_output
from mtl_runtime.scheduler import DEFAULT_TOKEN_BUDGET, plan_batches
from mtl_runtime.session import Session, onnxruntime_version, provider_problem
from mtl_runtime.tokenizer import DEFAULT_MAX_TEXT_BYTES, TokenizedText, Tokenizer, checked_texts

__all__ = ["Classifier", "Info", "load", "open_classifier", "open_session", "open_tokenizer", "read_graph"]

Run = Callable[[Batch, Sequence[str]], list[NDArray[np.float32]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What a classifier really runs, and why."""

    bundle: str
    digest: str  # SHA-256 of the manifest
    variant: str
    provider: str
    threads: int
    reason: str
    onnxruntime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """Answers every task of a bundle; made by :func:`load`, shared by any number of threads."""

    manifest: Manifest
    tokenizer: Tokenizer
    run: Run  # a Session's in production, a function in tests
    info: Info
    token_budget: int = DEFAULT_TOKEN_BUDGET
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the bundle's tasks."""
        return tuple(task.name for task in self.manifest.tasks)

    @overload
    def __call__(  # type: ignore[overload-overlap]  # str is an Iterable[str], and the first that fits is taken
        self, texts: str, *, tasks: Iterable[str] | None = None
    ) -> Prediction: ...
    @overload
    def __call__(self, texts: Iterable[str], *, tasks: Iterable[str] | None = None) -> list[Prediction]: ...
    def __call__(
        self, texts: str | Iterable[str], *, tasks: Iterable[str] | None = None
    ) -> Prediction | list[Prediction]:
        """Answer ``tasks`` (default: all) for each text, in the texts' order.

        A bare str is one text and gives one prediction.

        Raises:
            InvalidTextError: a text is no str, holds a lone surrogate or is too long; tells the index.
            UnknownTaskError: the bundle has no such task.
            NonFiniteError: the model answered NaN or infinity; tells the index.
        """
        specs = self.task_specs(tasks)
        tokenized = self.tokenize([texts] if isinstance(texts, str) else texts)
        logits = self._outputs(tokenized, [logits_output(task.name) for task in specs])
        answered = predictions(specs, logits, tokenized)
        return answered[0] if isinstance(texts, str) else answered

    def embed(self, texts: str | Iterable[str], *, normalize: bool = False) -> NDArray[np.float32]:
        """Sentence embeddings, float32 (N, hidden_size); for a bare str (hidden_size,).

        Args:
            texts: as in :meth:`__call__`.
            normalize: divide each embedding by its Euclidean length.

        Raises:
            InvalidTextError, NonFiniteError: as in :meth:`__call__`.
        """
        tokenized = self.tokenize([texts] if isinstance(texts, str) else texts)
        (rows,) = self._outputs(tokenized, [EMBEDDING_OUTPUT])
        check_finite(rows, EMBEDDING_OUTPUT)
        if normalize:
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return rows[0] if isinstance(texts, str) else rows

    def logits(self, texts: Iterable[str], *, tasks: Iterable[str] | None = None) -> dict[str, NDArray[np.float32]]:
        """Raw logits by task, float32 (N, width), not checked for being finite: what gates compare."""
        names = [task.name for task in self.task_specs(tasks)]
        rows = self._outputs(self.tokenize(texts), [logits_output(name) for name in names])
        return dict(zip(names, rows, strict=True))

    def task_specs(self, tasks: Iterable[str] | None = None) -> list[TaskSpec]:
        """What the manifest says of ``tasks`` (default: all), each once, in that order.

        Raises:
            UnknownTaskError: the bundle has no such task, or ``tasks`` is empty.
        """
        if tasks is None:
            return list(self.manifest.tasks)
        names = list(dict.fromkeys([tasks] if isinstance(tasks, str) else tasks))
        for name in names or [""]:
            if name not in self.tasks:
                raise UnknownTaskError(name, self.tasks)
        return [self.manifest.task(name) for name in names]

    def tokenize(self, texts: Iterable[str]) -> list[TokenizedText]:
        """Token ids as the graph gets them (before padding)."""
        return self.tokenizer.encode(checked_texts(texts, max_text_bytes=self.max_text_bytes))

    def _outputs(self, texts: Sequence[TokenizedText], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """Rows of each output in the texts' order, whatever batches they were computed in."""
        widths = {logits_output(task.name): task.width for task in self.manifest.tasks}
        widths[EMBEDDING_OUTPUT] = self.manifest.encoder.hidden_size
        results = [np.empty((len(texts), widths[name]), dtype=np.float32) for name in outputs]
        for indices in plan_batches([len(text) for text in texts], token_budget=self.token_budget):
            batch = Batch.of([texts[index] for index in indices], pad_id=self.manifest.encoder.pad_id)
            for result, rows in zip(results, self.run(batch, outputs), strict=True):
                result[indices] = rows
        return results


def load(
    path: str | os.PathLike[str],
    *,
    variant: str | None = None,
    threads: int | None = None,
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES,
) -> Classifier:
    """Open the bundle in folder ``path``; each file's hash is checked before it is parsed.

    Args:
        path: folder written by ``mtl export``.
        variant: name of a variant of the bundle; default: the fastest that was verified on a machine like this one,
            and cpu-fp32 where none was (``info.reason`` tells). A variant that is named runs, or raises.
        threads: intra-op threads; default: the cores that affinity and cgroup quota allow.
        max_text_bytes: longest text that is accepted, in UTF-8 bytes.

    Raises:
        BundleError, RecordError: no bundle that this version reads.
        IntegrityError: a file's bytes are not those that the manifest promises.
        UnknownVariantError: the bundle has no such variant.
        MissingPackageError, ProviderError: the provider is not to be had here; the message tells the mend.
    """
    bundle = Bundle.open(path)
    choice = _choose(bundle) if variant is None else Choice(variant, "asked for")
    return open_classifier(bundle, choice, threads=threads, max_text_bytes=max_text_bytes)


def open_classifier(
    bundle: Bundle,
    choice: Choice,
    *,
    threads: int | None = None,
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES,
) -> Classifier:
    """What :func:`load` does once bundle and variant are known."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}; it must be at least 1")
    if choice.variant not in bundle.manifest.variants:
        raise UnknownVariantError(choice.variant, bundle.manifest.variants)
    cores = allowed_cores() if threads is None else threads
    session = open_session(bundle, choice.variant, threads=cores)
    counted = "cores allowed to this process" if threads is None else "threads asked for"
    info = Info(
        bundle=str(bundle.path),
        digest=bundle.digest,
        variant=choice.variant,
        provider=session.provider,
        threads=cores,
        reason=f"{choice.reason}; {counted}: {cores}",
        onnxruntime=onnxruntime_version(),
    )
    return Classifier(
        manifest=dataclasses.replace(bundle.manifest, tasks=bundle.manifest.answers_of(choice.variant)),
        tokenizer=open_tokenizer(bundle),
        run=session.run,
        info=info,
        max_text_bytes=max_text_bytes,
    )


def _choose(bundle: Bundle) -> Choice:
    variants = bundle.manifest.variants
    try:
        evidence = read_evidence(bundle)
    except (RecordError, OSError) as error:
        # It stands outside the bundle's hashes: a broken file must not keep the bundle from loading.
        return Choice(DEFAULT_VARIANT, f"its evidence cannot be read ({error})")
    return choose(
        evidence,
        machine_facts(),
        onnxruntime=onnxruntime_version(),
        problem=lambda name: provider_problem(variants[name].provider) if name in variants else "not in the bundle",
    )


def open_tokenizer(bundle: Bundle) -> Tokenizer:
    """Load the bundle's tokenizer, its file hashed first."""
    return Tokenizer.from_bytes(bundle.read("tokenizer.json"), max_length=bundle.manifest.encoder.max_length)


def open_session(bundle: Bundle, variant: str, *, threads: int) -> Session:
    """Load the graph of ``variant``, its files hashed first.

    Raises:
        BundleError: onnxruntime cannot load the graph, or it is not the one that the manifest describes.
        IntegrityError, MissingPackageError, ProviderError: as in :func:`load`.
    """
    spec = bundle.manifest.variants[variant]
    graph = read_graph(bundle, spec.graph)
    session = Session.open(graph, provider=spec.provider, provider_options=spec.provider_options, threads=threads)
    promised = bundle.manifest.inputs, bundle.manifest.outputs
    if (session.inputs, session.outputs) != promised:
        found = f"{', '.join(session.inputs)} -> {', '.join(session.outputs)}"
        raise BundleError(f"{spec.graph} is {found}; the manifest says {promised}")
    return session


def read_graph(bundle: Bundle, name: str) -> bytes | Path:
    """Bytes of a graph (its path where weights lie in files beside it), all of its files hashed."""
    external = bundle.external_data(name)
    for file in external:
        bundle.check(file)
    return bundle.check(name) if external else bundle.read(name)
