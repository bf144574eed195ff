"""command line -> one library call -> a few printed lines: ``mtl train`` and ``mtl export``."""

import sys
from pathlib import Path

import click
from rich.console import Console

from mtl_runtime import records
from mtl_runtime.commands.evidence import print_evidence
from mtl_runtime.terminal import print_json

__all__ = ["export", "train"]


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the checkpoint.")
@click.option(
    "--from",
    "base",
    type=click.Path(path_type=Path),
    help="Checkpoint to add a task to, or to tune a head of.",
)
@click.option("--resume", is_flag=True, help="Go on with the unfinished run of this output.")
@click.option("--force", is_flag=True, help="Replace the output, and throw an unfinished run away.")
def train(config: Path, output: Path, base: Path | None, resume: bool, force: bool) -> None:
    """Train the tasks of CONFIG (TOML) and write a checkpoint."""
    from mtl_export.config import Config
    from mtl_export.training import train as run

    parsed = Config.from_toml(config)
    _quiet_transformers()
    console = Console(stderr=True)
    checkpoint = run(
        parsed,
        output,
        base=base,
        resume=resume,
        force=force,
        report=lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
        console=console if sys.stderr.isatty() else None,
    )
    click.echo(f"checkpoint written to {checkpoint.path} (best step {checkpoint.record.training.best_step})")


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the bundle.")
@click.option("--variants", default="cpu-fp32", show_default=True, help="Names, separated by commas.")
@click.option(
    "--data",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Sentences to compare with PyTorch on (default: the validation files of training). Repeatable.",
)
@click.option("--gate", type=click.Path(path_type=Path), help="TOML file whose [gate] replaces the checkpoint's.")
@click.option("--force", is_flag=True, help="Replace the output.")
@click.option("--json", "as_json", is_flag=True, help="Print the evidence as JSON.")
def export(
    checkpoint: Path,
    output: Path,
    variants: str,
    data: tuple[Path, ...],
    gate: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Export CHECKPOINT to a bundle, and compare it with PyTorch before it is let out."""
    from mtl_export.bundle import export_bundle
    from mtl_export.config import GateConfig

    _quiet_transformers()
    exported = export_bundle(
        checkpoint,
        output,
        variants=[name.strip() for name in variants.split(",") if name.strip()],
        data=data,
        gate=GateConfig.from_toml(gate) if gate else None,
        force=force,
        report=lambda line: click.echo(line, err=True),
    )
    if as_json:
        print_json(records.to_dict(exported.evidence))
        return
    print_evidence(exported.evidence)
    click.echo(f"bundle written to {exported.bundle.path}")


def _quiet_transformers() -> None:
    """Leave the terminal to our own lines."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
