"""folder -> Bundle: a manifest and files, whose bytes are hashed before anything parses them."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mtl_runtime.bundle.hub_cache import find_regular_file
from mtl_runtime.bundle.manifest import FORMAT_WITH_DIGEST, MANIFEST_NAME, FileSpec, Manifest
from mtl_runtime.errors import BundleError, IntegrityError

__all__ = ["DIGEST_NAME", "Bundle", "write_manifest"]

# As `sha256sum manifest.json` prints it, so that `sha256sum --check` reads it too.
DIGEST_NAME = "manifest.sha256"

_MAX_MANIFEST_BYTES = 16 * 2**20
_DIGEST_LENGTH = 64
_CHECKPOINT_RECORD = "checkpoint.json"  # in a folder of `mtl train`, which people mistake for a bundle
_STRANGE_LINK = "is a link, but not to a blob of a hub cache that holds the bundle"


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle folder; there is no half-opened one."""

    path: Path
    manifest: Manifest
    digest: str  # SHA-256 of manifest.json, quoted by evidence files

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Read the manifest of the bundle in folder ``path``.

        Raises:
            BundleError: no bundle is there, or one of another format version.
            IntegrityError: the manifest has other bytes than when it was written, or is a link that leads out of the
                hub cache.
            RecordError: the manifest is malformed.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise BundleError(f"{folder} is not a folder; give the folder that `mtl export` wrote")
        file = find_regular_file(folder, MANIFEST_NAME)
        if file is None and (folder / MANIFEST_NAME).is_symlink():
            raise IntegrityError(MANIFEST_NAME, _STRANGE_LINK)
        if file is None and (folder / _CHECKPOINT_RECORD).is_file():
            raise BundleError(f"{folder} is a checkpoint, not a bundle; export it: mtl export {folder} -o BUNDLE")
        if file is None:
            raise BundleError(f"{folder} holds no {MANIFEST_NAME}: it is no bundle; make one with `mtl export`")
        if file.stat().st_size > _MAX_MANIFEST_BYTES:
            raise BundleError(
                f"{folder / MANIFEST_NAME} is larger than {_MAX_MANIFEST_BYTES} bytes, so it is no manifest"
            )
        data = file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        promised = _read_promised_digest(folder)
        if promised not in (None, digest):
            raise IntegrityError(MANIFEST_NAME, f"has another SHA-256 than {DIGEST_NAME} says")
        manifest = Manifest.from_json(data)
        if promised is None and manifest.format_version >= FORMAT_WITH_DIGEST:
            raise IntegrityError(DIGEST_NAME, "is missing or not a regular file")
        return cls(folder, manifest, digest)

    def read(self, name: str) -> bytes:
        """Bytes of the file ``name``, once they are known to be those that the manifest promises.

        Raises:
            IntegrityError: the file is missing or its bytes differ.
        """
        file = self._file_of_its_size(name)
        data = file.read_bytes()
        if FileSpec.of(data) != self.manifest.files[name]:
            raise IntegrityError(name, "has another SHA-256 than the manifest says")
        return data

    def check(self, name: str) -> Path:
        """Path of the regular file behind ``name``, hashed piece by piece: for files too large to hold in memory.

        Raises:
            IntegrityError: the file is missing or its bytes differ.
        """
        file = self._file_of_its_size(name)
        if FileSpec.of_file(file) != self.manifest.files[name]:
            raise IntegrityError(name, "has another SHA-256 than the manifest says")
        return file

    def external_data(self, graph: str) -> tuple[str, ...]:
        """Names of the files that hold the weights of ``graph`` outside it (none below 2 GB)."""
        return tuple(name for name in self.manifest.files if name.startswith(f"{graph}.data"))

    def _file_of_its_size(self, name: str) -> Path:
        file, promised = find_regular_file(self.path, name), self.manifest.files[name].bytes
        if file is None:
            link = (self.path / name).is_symlink()
            raise IntegrityError(name, _STRANGE_LINK if link else "is missing or not a regular file")
        if file.stat().st_size != promised:
            raise IntegrityError(name, f"has {file.stat().st_size} bytes, the manifest says {promised}")
        return file


def write_manifest(folder: Path, manifest: Manifest) -> Bundle:
    """Write manifest.json and its digest into ``folder``; all other files of the bundle lie there already."""
    data = manifest.to_json().encode()
    (folder / MANIFEST_NAME).write_bytes(data)
    (folder / DIGEST_NAME).write_text(f"{FileSpec.of(data).sha256}  {MANIFEST_NAME}\n", "utf-8")
    return Bundle.open(folder)


def _read_promised_digest(folder: Path) -> str | None:
    """What manifest.sha256 says; None where there is no such file, as in bundles of format version 1."""
    file = find_regular_file(folder, DIGEST_NAME)
    if file is None:
        return None
    with file.open("rb") as stream:
        return stream.read(_DIGEST_LENGTH).decode("ascii", "replace")
