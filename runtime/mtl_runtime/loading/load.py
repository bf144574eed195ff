"""bundle folder + what is wished for -> Classifier: the variant, how it is driven, and why."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import Manifest
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import BundleError, MtlError, RecordError, UnknownTaskError, UnknownVariantError
from mtl_runtime.evidence.files import read_evidence_summaries
from mtl_runtime.evidence.summary import EvidenceSummary
from mtl_runtime.inference.options import ClassifierInfo, InputOptions
from mtl_runtime.inference.worker_pool import WorkerPool
from mtl_runtime.loading.execution_choice import ExecutionChoice, choose_execution
from mtl_runtime.loading.variant_choice import DEFAULT_VARIANT, VariantChoice, choose_variant
from mtl_runtime.providers.execution_config import ExecutionConfig, OptimizeFor
from mtl_runtime.providers.fork_safe_session import ForkSafeSession
from mtl_runtime.providers.session import onnxruntime_version, provider_problem
from mtl_runtime.providers.variant_session import loading_session, open_session
from mtl_runtime.text.validation import AGGREGATES, DEFAULT_MAX_TEXT_BYTES, LONG_TEXT, Aggregate, LongText

if TYPE_CHECKING:  # these import numpy and tokenizers, which is done while files are hashed
    from mtl_runtime.inference.classifier import Classifier
    from mtl_runtime.text.tokenizer import Tokenizer

__all__ = ["ExecutionChoice", "load", "open_classifier", "open_tokenizer", "reopen"]


def load(
    path: str | os.PathLike[str],
    *,
    variant: str | None = None,
    optimize_for: OptimizeFor = "throughput",
    threads: int | None = None,
    workers: int | None = None,
    max_batch_tokens: int | None = None,
    long_text: LongText = "truncate",
    aggregate: Aggregate | Mapping[str, Aggregate] = "mean",
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES,
) -> "Classifier":
    """Open the bundle in folder ``path``; each file's hash is checked before it is parsed.

    Args:
        path: folder written by ``mtl export``.
        variant: name of a variant of the bundle; default: the fastest that was verified on a machine like this one,
            and cpu-fp32 where none was (``info.reason`` tells). A variant that is named runs, or raises.
        optimize_for: ``throughput`` answers several batches at a time, each on its own core; ``latency`` gives
            all cores to one batch, and so to a lone text.
        threads: that compute at the same time, in all; default: the cores that affinity and cgroup quota allow.
        workers: batches at the same time, among which the threads are divided; default: as ``mtl verify`` found
            fastest on this machine, or what is usual for the provider.
        max_batch_tokens: padded tokens of a batch (rows x longest row), which bounds the memory of a run;
            default: likewise.
        long_text: what becomes of a text that is longer than the encoder reads: ``truncate`` it, raise an
            ``error``, or read it in ``windows`` that overlap by a quarter.
        aggregate: how the logits of a text's windows become one row, for all tasks or by task: their ``mean``,
            their elementwise ``max``, or those of the ``first`` window. Embeddings are always averaged.
        max_text_bytes: longest text that is accepted, in UTF-8 bytes.

    Raises:
        BundleError, RecordError: no bundle that this version reads.
        IntegrityError: a file's bytes are not those that the manifest promises.
        UnknownVariantError: the bundle has no such variant.
        UnknownTaskError: ``aggregate`` names a task that the bundle has not.
        MissingPackageError, ProviderError: the provider is not to be had here; the message tells the mend.
        MtlError: there are more ``workers`` than ``threads``.
        ValueError, TypeError: an argument has none of the values above.
    """
    _require_known("optimize_for", optimize_for, get_args(OptimizeFor))
    bundle = Bundle.open(Path(path).absolute())
    opening = _input_options(bundle.manifest, long_text, aggregate, max_text_bytes)
    evidence, problem = _evidence(bundle)
    if variant is not None:
        choice = VariantChoice(variant, "asked for")
    else:
        choice = VariantChoice(DEFAULT_VARIANT, problem) if problem else _choose(bundle, evidence)
    if choice.variant not in bundle.manifest.variants:
        raise UnknownVariantError(choice.variant, bundle.manifest.variants)
    provider = bundle.manifest.variants[choice.variant].provider
    drive = choose_execution(provider, choice.variant, evidence, optimize_for=optimize_for, threads=threads)
    if threads is not None and workers is not None and workers > threads:
        raise MtlError(f"{workers} workers cannot share {threads} threads; give at most as many workers as threads")
    if workers is not None or max_batch_tokens is not None:
        drive = drive.changed(workers=workers, max_batch_tokens=max_batch_tokens)
    return open_classifier(bundle, choice, drive=drive, opening=opening)


def open_classifier(
    bundle: Bundle, choice: VariantChoice, *, drive: ExecutionChoice | None = None, opening: InputOptions | None = None
) -> "Classifier":
    """What :func:`load` does once bundle and variant are known.

    Args:
        bundle: an opened one.
        choice: one of its variants.
        drive: default: the usual one of the provider for throughput on the allowed cores.
        opening: how it reads texts; default: long ones are truncated.
    """
    reading = opening or InputOptions()
    chosen = drive or choose_execution(bundle.manifest.variants[choice.variant].provider, choice.variant, ())
    pace = chosen.config
    with loading_session(bundle, choice.variant, threads=pace.threads, runs=pace.workers) as finish:
        tokenizer = open_tokenizer(bundle, long_text=reading.long_text)
        from mtl_runtime.inference.classifier import Classifier

        session = finish()
    info = ClassifierInfo(
        bundle=str(bundle.path),
        digest=bundle.digest,
        variant=choice.variant,
        provider=session.provider,
        workers=pace.workers,
        threads=pace.threads,
        max_batch_tokens=pace.max_batch_tokens,
        reason=f"{choice.reason}; {chosen.reason}",
        onnxruntime=onnxruntime_version(),
    )
    again = partial(open_session, bundle, choice.variant, threads=pace.threads, runs=pace.workers)
    return Classifier(
        manifest=dataclasses.replace(bundle.manifest, tasks=bundle.manifest.answers_of(choice.variant)),
        tokenizer=tokenizer,
        run=ForkSafeSession(session, again),
        workers=WorkerPool(pace.workers),
        max_batch_tokens=pace.max_batch_tokens,
        info=info,
        reopen=reopen,
        opening=reading,
    )


def reopen(info: ClassifierInfo, opening: InputOptions) -> "Classifier":
    """A classifier like the one that ``info`` and ``opening`` tell of: what a pickled one becomes.

    Raises:
        BundleError: another bundle lies in that folder now.
    """
    bundle = Bundle.open(info.bundle)
    if bundle.digest != info.digest:
        raise BundleError(f"{info.bundle} holds another bundle than when the classifier was opened; load it anew")
    pace = ExecutionConfig(workers=info.workers, threads=info.threads, max_batch_tokens=info.max_batch_tokens)
    drive = ExecutionChoice(pace, "opened again as it was")
    return open_classifier(bundle, VariantChoice(info.variant, "opened again as it was"), drive=drive, opening=opening)


def open_tokenizer(bundle: Bundle, *, long_text: LongText = "truncate") -> "Tokenizer":
    """Load the bundle's tokenizer, its file hashed first."""
    from mtl_runtime.text.tokenizer import Tokenizer, window_overlap

    length = bundle.manifest.encoder.max_length
    overlap = window_overlap(length) if long_text == "windows" else None
    return Tokenizer.from_bytes(bundle.read("tokenizer.json"), max_length=length, overlap=overlap)


def _evidence(bundle: Bundle) -> tuple[list[EvidenceSummary], str | None]:
    """What was measured, and why it cannot be told."""
    try:
        return read_evidence_summaries(bundle), None
    except (RecordError, OSError) as error:
        # It stands outside the bundle's hashes: a broken file must not keep the bundle from loading.
        return [], f"its evidence cannot be read ({error})"


def _choose(bundle: Bundle, evidence: Sequence[EvidenceSummary]) -> VariantChoice:
    variants = bundle.manifest.variants
    return choose_variant(
        evidence,
        machine_facts(),
        onnxruntime=onnxruntime_version(),
        problem=lambda name: provider_problem(variants[name].provider) if name in variants else "not in the bundle",
    )


def _input_options(
    manifest: Manifest,
    long_text: LongText,
    aggregate: Aggregate | Mapping[str, Aggregate],
    max_text_bytes: int,
) -> InputOptions:
    _require_known("long_text", long_text, LONG_TEXT)
    tasks = [task.name for task in manifest.tasks]
    by_task = dict.fromkeys(tasks, aggregate) if isinstance(aggregate, str) else dict(aggregate)
    for task, how in by_task.items():
        _require_known("aggregate", how, AGGREGATES)
        if task not in tasks:
            raise UnknownTaskError(task, tasks)
    return InputOptions(
        long_text=long_text, aggregate={**dict.fromkeys(tasks, "mean"), **by_task}, max_text_bytes=max_text_bytes
    )


def _require_known(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(known)}")
