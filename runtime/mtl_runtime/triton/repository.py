"""bundle -> the folder of a model in a Triton model repository, whole or not at all."""

import shutil
import struct
from importlib import resources
from pathlib import Path

from mtl_runtime.bundle.bundle import DIGEST_NAME, Bundle
from mtl_runtime.bundle.hub_cache import find_regular_file
from mtl_runtime.bundle.manifest import MANIFEST_NAME
from mtl_runtime.bundle.model_name import MODEL_NAME_RULE, is_model_name
from mtl_runtime.core.atomic_folder import atomic_folder
from mtl_runtime.errors import MtlError
from mtl_runtime.evidence.files import EVIDENCE_FOLDER
from mtl_runtime.triton.config import WARM_UP_FILE, label_files, write_config
from mtl_runtime.triton.settings import ModelSettings
from mtl_runtime.triton.text_model import BUNDLE_FOLDER

__all__ = ["write_model"]

_VERSION = "1"  # the one version of each model
_WARM_UP_TEXT = b"Warm up."


def write_model(
    bundle: Bundle,
    repository: Path,
    *,
    name: str | None = None,
    settings: ModelSettings | None = None,
    replace: bool = False,
) -> Path:
    """Write a bundle as a model that takes texts; the other models of the repository stay as they are.

    Args:
        bundle: is copied, so that the repository needs nothing outside it.
        repository: folder of models; it is made if it is not there.
        name: of the model; default: that of the bundle's folder.
        settings: how Triton runs it.
        replace: whether a model of that name may be replaced.

    Returns:
        The model's folder.

    Raises:
        MtlError: the name cannot be a model's, the model exists already, or the settings do not fit the bundle.
        IntegrityError: a file of the bundle is damaged.
    """
    name, settings = name or bundle.path.absolute().name, settings or ModelSettings()
    if not is_model_name(name):
        raise MtlError(f"{name!r} cannot be the name of a model: {MODEL_NAME_RULE} (--name)")
    settings.check(bundle.manifest)
    target = repository / name
    with atomic_folder(target, replace=replace) as staging:
        (staging / "config.pbtxt").write_text(write_config(name, bundle, settings), "utf-8")
        for file, text in label_files(bundle.manifest.tasks).items():
            (staging / file).write_text(text, "utf-8")
        (staging / "warmup").mkdir()
        (staging / "warmup" / WARM_UP_FILE).write_bytes(struct.pack("<I", len(_WARM_UP_TEXT)) + _WARM_UP_TEXT)
        version = staging / _VERSION
        version.mkdir()
        code = resources.files("mtl_runtime.triton").joinpath("model.py").read_text("utf-8")
        (version / "model.py").write_text(code, "utf-8")
        _copy_bundle(bundle, version / BUNDLE_FOLDER)
    return target


def _copy_bundle(bundle: Bundle, target: Path) -> None:
    """Copy the files that the manifest lists, which are hashed, and the evidence; nothing else that lies there."""
    target.mkdir()
    for name in bundle.manifest.files:
        shutil.copyfile(bundle.check(name), target / name)
    _copy_files(bundle.path, target, [MANIFEST_NAME, DIGEST_NAME])
    evidence = bundle.path / EVIDENCE_FOLDER
    if evidence.is_dir():
        (target / EVIDENCE_FOLDER).mkdir()
        _copy_files(evidence, target / EVIDENCE_FOLDER, sorted(path.name for path in evidence.iterdir()))


def _copy_files(source: Path, target: Path, names: list[str]) -> None:
    for name in names:
        if (file := find_regular_file(source, name)) is not None:
            shutil.copyfile(file, target / name)
