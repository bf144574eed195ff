"""Config, paths and options -> the mistakes in them that show at once, before torch is imported.

Importing torch and transformers takes long, and so does training: what is wrong with the first words of a command is
said before both.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mtl_export.config import Config, EncoderConfig
from mtl_export.errors import ConfigError, EncoderError
from mtl_export.folder_marks import (
    check_is_checkpoint,
    check_no_unfinished_run,
    check_run_folder,
    run_folder_path,
)
from mtl_export.variant_names import check_variant_names
from mtl_runtime.core.clock import utc_timestamp
from mtl_runtime.core.outputs import check_folder
from mtl_runtime.errors import MtlError
from mtl_runtime.tables.table import FORMATS, check_can_read_twice, format_of
from mtl_runtime.wording import name_path

__all__ = [
    "check_compression",
    "check_config_file",
    "check_data_files",
    "check_encoder_name",
    "check_export",
    "check_holds_none_of",
    "check_training",
    "encoder_of",
]


def check_config_file(file: Path) -> None:
    """Refuse what people give in place of a config: a folder, or their data.

    Raises:
        ConfigError: it is a folder or a table.
    """
    if file.is_dir():
        raise ConfigError(f"{file} is a folder; give a config file (TOML), and a checkpoint to start from with --from")
    if file.suffix.lower() in (f".{name}" for name in FORMATS):
        raise ConfigError(f'{file} is a data file; give a config file (TOML) that names it: [data] train = "{file}"')


def check_training(config: Config, output: Path, *, base: Path | None, resume: bool, force: bool) -> None:
    """Check what ``train`` is called with.

    Args:
        config: its data files must be there, and an [encoder] where there is no ``base``.
        output: folder of the checkpoint.
        base: checkpoint to start from.
        resume: continue an unfinished run, which may be allowed to replace the output.
        force: replace the output and discard an unfinished run.

    Raises:
        ConfigError, CheckpointError, EncoderError, TableError: the message says what to do.
        MtlError: the output may not be written.
    """
    if resume and force:
        raise ConfigError("--resume continues a run and --force starts it over; choose one")
    check_folder(output, replace=force or resume)
    check_run_folder(output)
    if not (resume or force) and os.environ.get("RANK", "0") == "0":  # under torchrun the first process starts the run
        check_no_unfinished_run(output)
    if base is not None:
        check_is_checkpoint(base)
        # A checkpoint may be replaced by what is trained from it.
        start = [] if base.resolve() == output.resolve() else [base]
    else:
        model = Path(encoder_of(config).model)
        start = [model] if model.is_absolute() else []
    sources = config.data.sources
    data = [Path(file) for source in sources for file in (*source.train, *source.validation, *source.test)]
    check_data_files(data)
    check_holds_none_of((output, run_folder_path(output)), (*data, *start))


def check_export(
    checkpoint: Path,
    output: Path,
    *,
    variants: Sequence[str],
    data: Iterable[Path],
    reference: Path | None,
    force: bool,
) -> None:
    """Check what ``export_bundle`` is called with.

    Args:
        checkpoint: folder that ``train`` wrote.
        output: folder of the bundle.
        variants: names, "auto" among them or not.
        data: files of sentences.
        reference: folder of another checkpoint, that this one is compared with.
        force: replace the output.

    Raises:
        ConfigError, CheckpointError, TableError: the message says what to do.
        MtlError: the output may not be written, or SOURCE_DATE_EPOCH is no number of seconds.
    """
    files, checkpoints = tuple(data), (checkpoint, *([reference] if reference is not None else []))
    check_folder(output, replace=True)
    check_holds_none_of((output,), (*checkpoints, *files))
    check_folder(output, replace=force)
    check_variant_names(variants)
    for folder in checkpoints:
        check_is_checkpoint(folder)
    check_data_files(files)
    utc_timestamp()  # a wrong SOURCE_DATE_EPOCH


def check_compression(
    checkpoint: Path,
    output: Path,
    *,
    variants: Sequence[str],
    texts: Sequence[Path],
    column: str | None,
    resume: bool,
    force: bool,
) -> None:
    """Check what ``compress`` is called with.

    Args:
        checkpoint: folder that ``train`` wrote.
        output: folder of the students.
        variants: names, "auto" among them or not.
        texts: files of sentences without labels.
        column: of these sentences.
        resume: continue an unfinished compression.
        force: replace the output and discard an unfinished one.

    Raises:
        ConfigError, CheckpointError, TableError: the message says what to do.
        MtlError: the output may not be written.
    """
    if resume and force:
        raise ConfigError("--resume continues a compression and --force starts it over; choose one")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("`mtl compress` is one process; start it without torchrun (it uses a GPU if there is one)")
    if column is not None and not texts:
        raise ConfigError("--column is that of --texts; give both or neither")
    check_folder(output, replace=True)
    check_holds_none_of((output, run_folder_path(output)), (checkpoint, *texts))
    check_folder(output, replace=force or resume)
    check_run_folder(output)
    check_variant_names(variants)
    check_is_checkpoint(checkpoint)
    check_data_files(texts)


def check_holds_none_of(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse output folders, or those of unfinished runs, whose replacement would remove what is read.

    Raises:
        MtlError: one of ``inputs`` is such a folder, or is in it.
    """
    read = [path.resolve() for path in inputs]
    for output in outputs:
        folder = output.resolve()
        for path in read:
            if path.is_relative_to(folder):
                what = "is what is read" if path == folder else f"holds {name_path(path)}, which is read"
                raise MtlError(f"{name_path(output)} {what}; name another output")


def check_data_files(files: Iterable[Path]) -> None:
    """Check that each file is there and has the suffix of a table.

    Raises:
        ConfigError: a file cannot be read.
        TableError: a suffix is unknown, or a file is a pipe.
    """
    for file in files:
        check_can_read_twice(file)
        try:
            file.open("rb").close()
        except OSError as error:
            raise ConfigError(f"data file {file} cannot be read: {error.strerror}") from error
        format_of(file)


def encoder_of(config: Config) -> EncoderConfig:
    """The encoder of a run that starts from no checkpoint.

    Raises:
        ConfigError: the config names none.
        EncoderError: as :func:`check_encoder_name`.
    """
    if config.encoder is None:
        raise ConfigError("the config has no [encoder]; name one, or start from a checkpoint with --from")
    check_encoder_name(config.encoder.model)
    return config.encoder


def check_encoder_name(model: str) -> None:
    """Check ``[encoder] model``, as far as it can be checked without reading anything of the encoder.

    Raises:
        EncoderError: it is a folder that does not exist, or a hub id with a revision.
    """
    if Path(model).is_absolute() and not Path(model).is_dir():
        what = (
            f"{model} is a file; name its folder" if Path(model).exists() else f"encoder folder {model} does not exist"
        )
        raise EncoderError(f"{what}; check [encoder] model")
    name, _, revision = model.partition("@")
    if revision and not Path(model).exists():
        raise EncoderError(
            f"[encoder] model {model!r} names a revision, which a hub id here cannot; "
            f"download it with `hf download {name} --revision {revision}` and name that folder"
        )
