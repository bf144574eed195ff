"""``mtl doctor``: environment -> tables; exit code 1 if there is a problem."""

from collections.abc import Sequence
from pathlib import Path

import click

from mtl_runtime.cli.options import bundle_argument, json_option
from mtl_runtime.cli.terminal import print_json, print_line, print_table
from mtl_runtime.core import records
from mtl_runtime.diagnostics.doctor import Diagnosis, diagnose
from mtl_runtime.evidence.self_tests import AnswerDifference, SelfTest
from mtl_runtime.providers.registry import PROVIDERS

__all__ = ["doctor"]


@click.command()
@bundle_argument(required=False)
@json_option()
@click.pass_context
def doctor(ctx: click.Context, bundle: Path | None, as_json: bool) -> None:
    """Show versions, processor, cores and providers; with BUNDLE, try each of its variants.

    Exits 1 if there is a problem; each is shown with the command that fixes it. It also says where OpenVINO is
    installed and would be faster here than what runs.
    """
    diagnosis = diagnose(bundle)
    advice = None if bundle is None or diagnosis.problems else _advise(bundle)
    if as_json:
        print_json({**records.to_dict(diagnosis), "advice": advice})
    else:
        _print_tables(diagnosis)
        if advice is not None:
            print_line(advice)
    ctx.exit(1 if diagnosis.problems else 0)


def _advise(bundle: Path) -> str | None:
    from mtl_runtime.bundle.bundle import Bundle
    from mtl_runtime.gate.openvino_advice import advise_openvino

    return advise_openvino(Bundle.open(bundle))


def _print_tables(diagnosis: Diagnosis) -> None:
    machine = diagnosis.machine
    quota = "none" if machine.cores_by_cgroup is None else f"{machine.cores_by_cgroup:g}"
    print_table("Versions", ("package", "version"), list(diagnosis.versions.items()))
    facts = [
        ("system", f"{machine.system} {machine.architecture}"),
        ("processor", machine.cpu),
        ("relevant flags", " ".join(machine.cpu_flags) or "none"),
        ("cores", f"{machine.cores}; by affinity {machine.cores_by_affinity}; cgroup quota {quota}"),
        ("cores allowed", machine.cores_allowed),
        ("onnxruntime offers", ", ".join(diagnosis.providers) or "none"),
    ]
    print_table("Machine", ("fact", "value"), facts)
    if diagnosis.providers:
        states = [
            (name, "unavailable" if name in diagnosis.absent else "available", diagnosis.absent.get(name, ""))
            for name in PROVIDERS
        ]
        print_table("Providers", ("provider", "state", "why"), states)
    if diagnosis.variants:
        rows = [(t.variant, "works" if t.works else "does not work", t.detail) for t in diagnosis.variants]
        print_table("Variants", ("variant", "result", "detail"), rows)
        _print_golden_answers([trial.self_test for trial in diagnosis.variants if trial.self_test is not None])
    print_table("Problems", ("problem",), [(problem,) for problem in diagnosis.problems] or [("none",)])


def _print_golden_answers(outcomes: Sequence[SelfTest]) -> None:
    """Print how far each variant's answers here are from its golden ones; nothing where the bundle holds none."""
    rows = [
        (outcome.variant, task, *_cells(difference), "hold" if outcome.holds else "differ")
        for outcome in outcomes
        for task, difference in outcome.tasks.items()
    ]
    if rows:
        limits = ("mean logit difference", "allowed", "largest", "allowed", "flips")
        print_table("Golden answers on this machine", ("variant", "task", *limits, "golden answers"), rows)


def _cells(difference: AnswerDifference) -> tuple[str, ...]:
    values = (difference.mean, difference.mean_allowed, difference.largest, difference.largest_allowed)
    return (*(f"{value:.2g}" for value in values), str(difference.flips))
