"""bundle folder -> VerificationReport: are its files as promised, its golden answers right, its budgets kept?"""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtl_runtime.bundle.bundle import DIGEST_NAME, Bundle
from mtl_runtime.bundle.gate_config import GateConfig, limits_for, logit_limit, precision_of
from mtl_runtime.bundle.golden import GOLDEN_NAME, GoldenText, parse_golden
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT, MANIFEST_NAME
from mtl_runtime.core.clock import utc_timestamp
from mtl_runtime.dataset.task_columns import check_task_columns
from mtl_runtime.errors import (
    BundleError,
    IntegrityError,
    MissingPackageError,
    MtlError,
    ProviderError,
    RecordError,
    UnknownVariantError,
)
from mtl_runtime.evidence.files import EVIDENCE_FOLDER
from mtl_runtime.evidence.schema import Evidence
from mtl_runtime.evidence.self_tests import remember_self_test
from mtl_runtime.gate.gate_bundle import gate_bundle
from mtl_runtime.gate.write_evidence import store_evidence
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.loading.isolation.check import VariantProblem, check_in_child
from mtl_runtime.loading.load import load, open_tokenizer
from mtl_runtime.loading.self_test import run_self_test

__all__ = ["Check", "VerificationReport", "verify"]

_log = logging.getLogger(__name__)

# What git and a hub's client add to a folder, and the page that a hub shows for it; nothing of it is read here.
_HUB_FILES = {".cache", ".git", ".gitattributes", ".gitignore", "README.md"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked, and the result."""

    name: str
    passed: bool | None  # None: this machine cannot say
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationReport:
    """All checks of one bundle, in the order they ran."""

    bundle: str
    digest: str  # SHA-256 of the manifest
    checks: tuple[Check, ...]
    evidence: Evidence | None  # of the gate; None where a check failed before it
    page: str | None  # the evidence as a page; the .json of the same name holds the same
    storage_problem: str | None = None  # why there is no page: no folder for evidence can be written

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.passed is not False for check in self.checks)


def verify(
    path: str | os.PathLike[str],
    *,
    variants: Iterable[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    text: str | None = None,
    quick: bool = False,
) -> VerificationReport:
    """Check the files of the bundle in folder ``path``, let ``variants`` answer the golden texts, and gate them.

    Nothing of the bundle is opened here before a child process has opened it and answered a text within its limits
    (:mod:`mtl_runtime.loading.isolation`).

    The gate repeats what ``mtl export`` measured, on this machine, and writes its evidence into the bundle, or into
    the user's cache where the bundle is read-only; :func:`mtl_runtime.load` decides by it. Where neither can be
    written, the report says so and holds the evidence all the same. A variant whose provider is not available here
    fails if it was asked for by name; else it is left open.

    Args:
        path: folder written by ``mtl export``.
        variants: names of variants; default: all.
        data: file of labelled sentences to gate on; default: the golden texts.
        text: column of the sentences in ``data``; default: as in training, if ``data`` has such a column, else "text".
        quick: instead of the gate, repeat each variant's own golden answers, as the first :func:`mtl_runtime.load` on
            an unknown machine does, and remember the outcome for later loads of this user.

    Raises:
        ValueError: ``quick``, and ``data``, which only the gate reads.
        BundleError, RecordError, IntegrityError: no bundle that this version reads.
        TableError: ``data`` cannot be read.
        MtlError: SOURCE_DATE_EPOCH is no number of seconds.
        UnknownVariantError: the bundle has no such variant.
    """
    if quick and data is not None:
        raise ValueError("quick runs no gate, so that data would not be read; give one of them")
    bundle = Bundle.open(path)
    if data is not None:
        # A wrong file is better found now than after the other checks.
        check_task_columns(bundle.manifest, Path(data), text)
    utc_timestamp()  # a wrong SOURCE_DATE_EPOCH is better found now than after the work
    known = bundle.manifest.variants
    names = list(variants or known)
    for name in names:
        if name not in known:
            raise UnknownVariantError(name, known)
    _log.info("checking %d files of %s", len(bundle.manifest.files), bundle.path)
    checks = [*_check_files(bundle), _check_unknown_files(bundle)]
    # With a file of the user's, cpu-fp32 is the reference, and has to hold PyTorch's answers itself.
    names_checked = list(dict.fromkeys([DEFAULT_VARIANT, *names] if data else names))
    try:
        problems = check_in_child(bundle, names_checked)
    except BundleError as error:
        checks.append(Check("opens in a child process", False, str(error)))
    else:
        golden = _check_golden_ids(bundle, checks)
        for name in names_checked:
            problem = problems.get(name)
            checks += _check_variant(bundle, name, golden, problem, asked=variants is not None, own_answers=quick)
    evidence, page, storage_problem = None, None, None
    if not quick and all(check.passed is not False for check in checks):
        evidence = gate_bundle(bundle, data=Path(data) if data else None, text=text, variants=names)
        checks += _gate_checks(evidence)
        try:
            page = store_evidence(evidence, bundle)
        except MtlError as error:
            storage_problem = str(error)
    return VerificationReport(
        bundle=str(bundle.path),
        digest=bundle.digest,
        checks=tuple(checks),
        evidence=evidence,
        page=str(page) if page else None,
        storage_problem=storage_problem,
    )


def _gate_checks(evidence: Evidence) -> Iterator[Check]:
    """The gate's decision on each variant that could be measured."""
    for name, variant in evidence.variants.items():
        if variant.status == "unverified":
            continue
        problems = variant.all_problems
        agreement = ", ".join(f"{task} {100 * t.agreement:.4g} %" for task, t in variant.tasks.items())
        detail = "; ".join(problems) or f"agreement with {evidence.reference}: {agreement}"
        yield Check(f"{name}: gate", not problems, detail)


def _check_files(bundle: Bundle) -> Iterator[Check]:
    for name, promise in bundle.manifest.files.items():
        try:
            bundle.check(name)
        except (IntegrityError, OSError) as error:
            yield Check(f"file {name}", False, str(error))
        else:
            yield Check(f"file {name}", True, f"{promise.bytes:,} bytes, sha256 {promise.sha256[:12]}")


def _check_unknown_files(bundle: Bundle) -> Check:
    """Files that neither the manifest lists nor a hub adds; the manifest itself and the evidence are not listed."""
    known = {MANIFEST_NAME, DIGEST_NAME, EVIDENCE_FOLDER, *bundle.manifest.files, *_HUB_FILES}
    extra = sorted(file.name for file in bundle.path.iterdir() if file.name not in known)
    detail = f"not in the manifest: {', '.join(extra)}; remove them" if extra else "none"
    return Check("unknown files", not extra, detail)


def _check_golden_ids(bundle: Bundle, checks: list[Check]) -> Sequence[GoldenText]:
    """The golden texts, empty if they cannot be read; appends the check of their token ids."""
    name = "golden token ids"
    if GOLDEN_NAME not in bundle.manifest.files:
        checks.append(Check(name, False, f"the bundle has no {GOLDEN_NAME}; export it again"))
        return []
    try:
        golden = parse_golden(bundle.read(GOLDEN_NAME))
        tokenized = open_tokenizer(bundle).encode([text.text for text in golden])
    except (IntegrityError, RecordError, BundleError) as error:
        checks.append(Check(name, False, str(error)))
        return []
    wrong = [row for row, (a, b) in enumerate(zip(golden, tokenized, strict=True), 1) if a.ids != b.ids]
    if wrong or not golden:
        problem = f"text in line {wrong[0]} has other token ids" if wrong else "there is no golden text"
        checks.append(Check(name, False, f"{GOLDEN_NAME}: {problem}; install the tokenizers that made it"))
    else:
        checks.append(Check(name, True, f"{len(golden)} texts equal"))
    return golden


def _check_variant(
    bundle: Bundle,
    name: str,
    golden: Sequence[GoldenText],
    problem: VariantProblem | None,
    *,
    asked: bool,
    own_answers: bool,
) -> Iterator[Check]:
    if problem is not None:
        yield Check(f"{name}: opens", None if problem.is_of_this_machine and not asked else False, str(problem.error))
        return
    _log.info("%s: checking golden answers", name)
    try:
        classifier = load(bundle.path, variant=name)
    except (ProviderError, MissingPackageError) as error:
        yield Check(f"{name}: opens", False if asked else None, str(error))
        return
    except MtlError as error:
        yield Check(f"{name}: opens", False, str(error))
        return
    yield Check(f"{name}: opens", True, f"{classifier.info.provider}, onnxruntime {classifier.info.onnxruntime}")
    if golden:
        yield _check_golden_logits(classifier, bundle.manifest.gate, golden)
    if own_answers:
        yield _check_golden_answers(classifier, bundle)


def _check_golden_logits(classifier: Classifier, gate: GateConfig, golden: Sequence[GoldenText]) -> Check:
    """In fp32 within the budget of each task, as in the gate of an export; else finite, and the gate judges."""
    variant = classifier.info.variant
    logits = classifier.logits([text.text for text in golden])
    results: list[tuple[bool, str]] = []
    for task in classifier.specs:
        expected = [text.logits.get(task.name, ()) for text in golden]
        if any(len(row) != task.width for row in expected):
            return Check(f"{variant}: golden logits", False, f"{GOLDEN_NAME} lacks logits of task {task.name!r}")
        scale = float(np.abs(expected).max()) if task.kind == "regression" else 1.0
        limit = logit_limit(limits_for(gate, task.name, "fp32"), scale) if precision_of(variant) == "fp32" else None
        difference = float(np.abs(logits[task.name] - np.array(expected)).max())  # NaN if any is
        held = difference <= limit if limit is not None else bool(np.isfinite(difference))
        allowed = f"at most {limit:.3g}" if limit is not None else "finite; the gate judges the answers"
        results.append((held, f"{task.name} {difference:.2g} ({allowed})"))
    detail = f"max |difference|: {', '.join(text for _, text in results)}"
    return Check(f"{variant}: golden logits", all(held for held, _ in results), detail)


def _check_golden_answers(classifier: Classifier, bundle: Bundle) -> Check:
    """The variant's own answers, by which `load` trusts evidence of other machines; the outcome is remembered."""
    name = classifier.info.variant
    title = f"{name}: golden answers"
    if bundle.manifest.variants[name].golden_answers is None:
        return Check(title, None, "the bundle holds none of this variant; without --quick the gate measures it")
    try:
        outcome = run_self_test(classifier, bundle)
    except MtlError as error:
        return Check(title, False, str(error))
    remembered = "" if remember_self_test(bundle.digest, outcome) else "; not remembered, the cache cannot be written"
    differences = ", ".join(
        f"{task} {difference.largest:.2g} (at most {difference.largest_allowed:.2g})"
        for task, difference in outcome.tasks.items()
    )
    detail = outcome.problem or f"{outcome.texts} texts, max |difference|: {differences}"
    return Check(title, outcome.holds, detail + remembered)
