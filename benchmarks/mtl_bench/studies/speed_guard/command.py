"""commit + bundle -> exit code 1 where the working tree is slower than that commit, by more than noise.

python -m mtl_bench.studies.speed_guard COMMIT --bundle build/demo/bundle -o build/speed-guard.json
"""

import sys
import tempfile
from pathlib import Path

import click

from mtl_bench.results.files import write_results
from mtl_bench.studies.command_line import study_command
from mtl_bench.studies.speed_guard.checkouts import (
    checked_out,
    compile_runtime,
    describe_working_tree,
    resolve_commit,
)
from mtl_bench.studies.speed_guard.measure import Side, measure_pairs
from mtl_bench.studies.speed_guard.recording import MEASURES, SpeedRecording
from mtl_bench.studies.speed_guard.verdict import Verdict, judge
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.golden import GOLDEN_NAME, parse_golden
from mtl_runtime.cli.terminal import print_line, print_table
from mtl_runtime.core.clock import utc_timestamp
from mtl_runtime.core.machine import machine_facts

__all__ = ["main"]

ROOT = Path(__file__).parents[4]  # of the working tree
_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("commit")
@click.option("--bundle", required=True, type=_FILE, help="What both sides serve; its golden texts are answered.")
@click.option("--base-bundle", type=_FILE, help="For the commit, where it cannot read the other one.")
@click.option("-o", "--output", required=True, type=_FILE, help="File for all seconds (JSON).")
@click.option("--pairs", default=20, show_default=True, type=click.IntRange(5), help="Of fresh processes.")
@click.option(
    "--slowdown", default=0.0, type=click.FloatRange(0.0), help="Slow this tree's model by this share, as a test."
)
def main(commit: str, bundle: Path, base_bundle: Path | None, output: Path, pairs: int, slowdown: float) -> None:
    """Compare the speed of this working tree with that of COMMIT; exit code 1: something became slower."""
    with study_command(), tempfile.TemporaryDirectory(prefix="speed-guard-") as scratch:
        opened = Bundle.open(bundle.absolute())
        texts = [golden.text for golden in parse_golden(opened.read(GOLDEN_NAME))]
        base_commit = resolve_commit(ROOT, commit)
        compile_runtime(ROOT)
        with checked_out(ROOT, base_commit, Path(scratch, "base")) as checkout:
            base = Side(name="base", checkout=checkout, bundle=(base_bundle or bundle).absolute())
            candidate = Side(name="candidate", checkout=ROOT, bundle=bundle.absolute(), slowdown=slowdown)
            measured, variants = measure_pairs(base, candidate, texts, pairs)
        recording = SpeedRecording(
            base=base_commit,
            candidate=describe_working_tree(ROOT),
            slowdown=slowdown,
            measured_at=utc_timestamp(),
            machine=machine_facts(),
            variants=variants,
            pairs=tuple(measured),
        )
        write_results(recording, output)
    verdicts = judge(recording)
    _print(recording, verdicts)
    sys.exit(1 if any(verdict.is_slower for verdict in verdicts) else 0)


def _print(recording: SpeedRecording, verdicts: list[Verdict]) -> None:
    rows = [
        (
            MEASURES[verdict.measure].title,
            f"{verdict.ratio:.3f}",
            f"{verdict.low:.3f} to {verdict.high:.3f}",
            "SLOWER" if verdict.is_slower else "faster" if verdict.is_faster else "no difference",
        )
        for verdict in verdicts
    ]
    ran = ", ".join(f"{side}: {variant}" for side, variant in recording.variants.items())
    title = f"This tree against {recording.base[:10]}, {len(recording.pairs)} pairs of processes ({ran})"
    print_table(title, ("time of", "times the commit's", "99 % interval", "verdict"), rows)
    if recording.slowdown:
        print_line(f"this tree's model was slowed by {100 * recording.slowdown:g} % on purpose")
