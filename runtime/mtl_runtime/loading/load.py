"""bundle folder -> Classifier: plan what runs, hash the files, open the session, test what is not known here."""

import dataclasses
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import Manifest
from mtl_runtime.errors import BundleError, MissingPackageError, ProviderError, UnknownTaskError, UnknownVariantError
from mtl_runtime.evidence.self_tests import SelfTest, remember_self_test
from mtl_runtime.inference.settings import InferenceSettings, InputOptions, ModelSource
from mtl_runtime.loading.plan import LoadEvidence, LoadPlan, plan_load
from mtl_runtime.loading.self_test import failed_self_test, run_self_test
from mtl_runtime.loading.variant_choice import Trust
from mtl_runtime.providers.execution_config import OptimizeFor
from mtl_runtime.providers.fork_safe_session import ForkSafeSession
from mtl_runtime.providers.session import onnxruntime_version
from mtl_runtime.providers.variant_session import loading_session, open_session
from mtl_runtime.text.validation import AGGREGATES, DEFAULT_MAX_TEXT_BYTES, LONG_TEXT, Aggregate, LongText

if TYPE_CHECKING:  # these import numpy and tokenizers, which is done while files are hashed
    from mtl_runtime.inference.classifier import Classifier
    from mtl_runtime.text.tokenizer import Tokenizer

__all__ = ["load", "open_classifier", "open_tokenizer", "reopen"]

_log = logging.getLogger(__name__)


def load(
    path: str | os.PathLike[str],
    *,
    variant: str | None = None,
    trust: Trust = "golden",
    optimize_for: OptimizeFor = "throughput",
    threads: int | None = None,
    workers: int | None = None,
    max_batch_tokens: int | None = None,
    long_text: LongText = "truncate",
    aggregate: Aggregate | Mapping[str, Aggregate] = "mean",
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES,
    isolate: bool = False,
) -> "Classifier":
    """Open the bundle in folder ``path``; each file's hash is checked before it is parsed.

    Args:
        path: folder written by ``mtl export``.
        variant: name of a variant of the bundle; default: the fastest that can be trusted here (``info.reason`` says
            why). Where a faster one could run but is not trusted, ``info.fallback`` says so, and a warning is logged.
            A variant that is named runs, or raises.
        trust: what lets a variant run that was verified on other machines or with another onnxruntime alone:
            ``golden``, that it gives its golden answers here too, which the first load tests and later ones remember;
            ``exact``, nothing.
        optimize_for: ``throughput`` answers several batches at a time, each on its own core; ``latency`` gives
            all cores to one batch, and so to a lone text.
        threads: that compute at the same time, in all; default: the cores that affinity and cgroup quota allow.
        workers: batches at the same time, among which the threads are divided; default: what ``mtl verify`` measured
            to be fastest on this machine, or the provider's default.
        max_batch_tokens: padded tokens of a batch (rows x longest row), which bounds the memory of a run;
            default: likewise.
        long_text: what becomes of a text that is longer than the encoder reads: ``truncate`` it, raise an
            ``error``, or read it in ``windows`` that overlap by a quarter.
        aggregate: how the logits of a text's windows become one row, for all tasks or by task: their ``mean``,
            their elementwise ``max``, or those of the ``first`` window. Embeddings are always averaged.
        max_text_bytes: longest text that is accepted, in UTF-8 bytes.
        isolate: for a bundle that is not trusted: let a child process with limited time and memory open it first and
            answer a text, so that what crashes there or never ends does not reach this process.

    Raises:
        BundleError, RecordError: no bundle that this version reads, or one that crashed in its child, or that went
            beyond its limits.
        TokenizerError: its tokenizer cannot read every text, or its token ids do not fit the graph.
        IntegrityError: a file's bytes are not those that the manifest promises.
        UnknownVariantError: the bundle has no such variant.
        UnknownTaskError: ``aggregate`` names a task that the bundle does not have.
        MissingPackageError, ProviderError: the provider is not available here; the message says how to get it.
        MtlError: there are more ``workers`` than ``threads``.
        ValueError, TypeError: an argument has none of the values above.
    """
    _require_known("optimize_for", optimize_for, get_args(OptimizeFor))
    _require_known("trust", trust, get_args(Trust))
    bundle = Bundle.open(Path(path).absolute())
    inputs = _input_options(bundle.manifest, long_text, aggregate, max_text_bytes)
    if isolate:
        _check_isolated(bundle, variant)
    make_plan = partial(
        plan_load,
        bundle,
        variant=variant,
        trust=trust,
        optimize_for=optimize_for,
        threads=threads,
        workers=workers,
        max_batch_tokens=max_batch_tokens,
    )
    classifier = _open_trusted(bundle, make_plan, inputs)
    if classifier.info.fallback is not None:
        _log.warning("%s runs by fallback; %s", classifier.info.variant, classifier.info.fallback)
    return classifier


def _check_isolated(bundle: Bundle, variant: str | None) -> None:
    """Raise what a child says of the variant, or of any that could be chosen."""
    from mtl_runtime.loading.isolation.check import check_in_child

    if variant is not None and variant not in bundle.manifest.variants:
        raise UnknownVariantError(variant, bundle.manifest.variants)
    for problem in check_in_child(bundle, None if variant is None else [variant]).values():
        if variant is not None or not problem.is_of_this_machine:
            raise problem.error


def _open_trusted(bundle: Bundle, make_plan: Callable[[LoadEvidence], LoadPlan], inputs: InputOptions) -> "Classifier":
    """Open what is planned; a variant that needs its self-test and fails is replaced by the next in the order."""
    evidence = LoadEvidence.read(bundle)
    plan = make_plan(evidence)
    while plan.needs_self_test:
        _log.info("testing %s of %s: %s", plan.variant, bundle.path, plan.reason)
        outcome, classifier = _test(bundle, plan, inputs)
        if outcome.tasks:  # what kept a variant from being opened may be gone at the next load
            remember_self_test(bundle.digest, outcome)
        evidence = evidence.with_self_tests({plan.variant: outcome})
        plan = make_plan(evidence)
        if classifier is not None and classifier.info.variant == plan.variant:
            _log.info("%s of %s: %s", plan.variant, bundle.path, plan.reason)
            source = dataclasses.replace(classifier.source, reason=plan.reason, fallback=plan.fallback)
            return dataclasses.replace(classifier, source=source)
    _log.info("opening %s of %s: %s", plan.variant, bundle.path, plan.reason)
    return open_classifier(bundle, plan, inputs=inputs)


def _test(bundle: Bundle, plan: LoadPlan, inputs: InputOptions) -> "tuple[SelfTest, Classifier | None]":
    """The self-test of the plan's variant, and the classifier that passed it.

    Raises:
        IntegrityError, RecordError: a file of the bundle is damaged.
    """
    try:
        classifier = open_classifier(bundle, plan, inputs=inputs)
        outcome = run_self_test(classifier, bundle)
    except (BundleError, MissingPackageError, ProviderError) as error:  # this onnxruntime cannot run it
        return failed_self_test(plan.variant, error), None
    return outcome, classifier if outcome.holds else None


def open_classifier(bundle: Bundle, plan: LoadPlan, *, inputs: InputOptions | None = None) -> "Classifier":
    """Hash the files of the plan's variant and open it.

    Args:
        bundle: an opened one.
        plan: one of its variants, and how to run it.
        inputs: how texts are read; default: long ones are truncated.

    Raises:
        IntegrityError, BundleError, MissingPackageError, ProviderError: as :func:`load`.
    """
    options, execution = inputs or InputOptions(), plan.execution
    with loading_session(bundle, plan.variant, threads=execution.threads, runs=execution.workers) as finish:
        tokenizer = open_tokenizer(bundle, long_text=options.long_text, max_text_bytes=options.max_text_bytes)
        from mtl_runtime.inference.classifier import Classifier

        session = finish()
    open_again = partial(open_session, bundle, plan.variant, threads=execution.threads, runs=execution.workers)
    return Classifier(
        specs=bundle.manifest.answers_of(plan.variant),
        encoder=bundle.manifest.encoder,
        tokenizer=tokenizer,
        run_batch=ForkSafeSession(session, open_again),
        settings=InferenceSettings.for_provider(
            session.provider, execution, pad_id=bundle.manifest.encoder.pad_id, inputs=options
        ),
        source=ModelSource(
            bundle=str(bundle.path),
            digest=bundle.digest,
            variant=plan.variant,
            provider=session.provider,
            reason=plan.reason,
            fallback=plan.fallback,
            onnxruntime=onnxruntime_version(),
            text_columns=bundle.manifest.text_columns,
        ),
        _factory=reopen,
    )


def reopen(source: ModelSource, settings: InferenceSettings) -> "Classifier":
    """A classifier like the one with this source and these settings: what a pickled one becomes.

    Raises:
        BundleError: another bundle lies in that folder now.
    """
    bundle = Bundle.open(source.bundle)
    if bundle.digest != source.digest:
        raise BundleError(f"{source.bundle} holds another bundle than when the classifier was opened; load it again")
    plan = LoadPlan(
        variant=source.variant, execution=settings.execution, reason=source.reason, fallback=source.fallback
    )
    return open_classifier(bundle, plan, inputs=settings.inputs)


def open_tokenizer(
    bundle: Bundle, *, long_text: LongText = "truncate", max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES
) -> "Tokenizer":
    """Load the bundle's tokenizer; its file is hashed first.

    Raises:
        IntegrityError: the file's bytes are not those that the manifest promises.
        TokenizerError: it cannot read every text, or its token ids do not fit the graph.
    """
    from mtl_runtime.text.token_ids import check_token_ids
    from mtl_runtime.text.tokenizer import Tokenizer
    from mtl_runtime.text.windows import window_overlap

    encoder = bundle.manifest.encoder
    overlap = window_overlap(encoder.max_length) if long_text == "windows" else None
    data = bundle.read("tokenizer.json")
    tokenizer = Tokenizer.from_bytes(
        data, max_length=encoder.max_length, overlap=overlap, max_text_bytes=max_text_bytes
    )
    takes_types = "token_type_ids" in bundle.manifest.inputs
    check_token_ids(tokenizer, data, vocab_size=encoder.vocab_size, token_types=takes_types)
    return tokenizer


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
