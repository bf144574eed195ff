"""``mtl triton``: bundle -> a model in a Triton model repository."""

from pathlib import Path

import click

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.cli.options import bundle_argument
from mtl_runtime.cli.terminal import print_line
from mtl_runtime.triton.repository import write_model
from mtl_runtime.triton.settings import DEVICES, Device, ModelSettings
from mtl_runtime.wording import name_path

__all__ = ["triton"]

_DEFAULTS = ModelSettings()


@click.command()
@bundle_argument()
@click.option(
    "-o",
    "--output",
    "repository",
    metavar="REPOSITORY",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of Triton's models; it is made if it is not there.",
)
@click.option("--name", help="Of the model. Default: the name of the bundle's folder.")
@click.option("--variant", help="The variant that runs. Default: the fastest that can be trusted where Triton runs.")
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    default=_DEFAULTS.device,
    show_default=True,
    help="Where the variant runs.",
)
@click.option(
    "--instances",
    type=click.IntRange(min=1),
    default=_DEFAULTS.instances,
    show_default=True,
    help="Processes, each with the model in its memory.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads of each instance. Default: the cores where Triton runs, divided among the instances.",
)
@click.option(
    "--max-batch-size",
    type=click.IntRange(min=1),
    default=_DEFAULTS.max_batch_size,
    show_default=True,
    help="Texts of a request, and of the requests that are computed together.",
)
@click.option("--force", is_flag=True, help="Replace a model of the same name.")
def triton(
    *,
    bundle: Path,
    repository: Path,
    name: str | None,
    variant: str | None,
    device: Device,
    instances: int,
    threads: int | None,
    max_batch_size: int,
    force: bool,
) -> None:
    """Write BUNDLE as a model of Triton Inference Server, which takes texts and gives labels and probabilities.

    The model is the folder REPOSITORY/NAME, with a copy of the bundle. It needs mtl-export, without torch, where
    Triton's Python finds it. What is not an option here can be changed in its config.pbtxt.
    """
    settings = ModelSettings(
        device=device, variant=variant, instances=instances, threads=threads, max_batch_size=max_batch_size
    )
    folder = write_model(Bundle.open(bundle), repository, name=name, settings=settings, replace=force)
    print_line(f"wrote {name_path(folder)}")
