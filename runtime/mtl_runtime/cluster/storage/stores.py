"""folder by path or URL -> Store: its files are whole or absent, whoever is killed while writing them."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from mtl_runtime.cluster.storage.file_systems import is_url, local_path, open_remote
from mtl_runtime.cluster.storage.staging import remove_abandoned, staging_prefix
from mtl_runtime.core.outputs import create_file, os_errors_as_mtl_errors, refuse_link, sync

__all__ = ["LocalStore", "RemoteStore", "Store", "open_store"]

# Where a file appears complete, with its last byte; elsewhere it is written under another name and renamed.
_APPEARS_COMPLETE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "memory"}


class Store(Protocol):
    """A folder; ``name`` is the path of a file below it, with slashes."""

    @property
    def url(self) -> str:
        """Path or URL of the folder."""

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None if it is absent."""

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file, in place of any other."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a file where none is; False if one is there."""

    def place(self, staged: Path, name: str) -> None:
        """Write the file ``staged``, made in :meth:`staging`, in place of any other."""

    def staging(self) -> Any:
        """Context of a local folder for a file that is written before it is placed."""

    def remove_staging(self) -> None:
        """Remove half-written files whose writer has ended, or has written nothing for an hour."""

    def list(self, folder: str = "") -> Mapping[str, int]:
        """Names, without those of folders, and sizes of the files in a folder of the store."""

    def list_folders(self) -> Sequence[str]:
        """Names of the folders directly in the store."""

    def remove(self, *names: str) -> None:
        """Remove files, as far as they are there."""

    def remove_folder(self, folder: str) -> None:
        """Remove a folder of the store with all in it, if it is there."""


def open_store(name: str) -> Store:
    """Open the folder at a path or URL; it need not exist yet.

    Raises:
        MtlError: its filesystem cannot be reached, or it is a link.
    """
    if not is_url(name):
        folder = Path(local_path(name)).absolute()
        refuse_link(folder)
        return LocalStore(folder)
    remote = open_remote(name.rstrip("/"))
    return RemoteStore(name.rstrip("/"), remote.system, remote.path)


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A folder on disk: a file is staged, forced to disk, and moved to its place."""

    folder: Path

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self.folder)

    def read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def open(self, name: str) -> BinaryIO:
        return (self.folder / name).open("rb")

    def write(self, name: str, data: bytes) -> None:
        self.place(self._stage(data), name)

    def create(self, name: str, data: bytes) -> bool:
        target, staged = self.folder / name, self._stage(data)
        with os_errors_as_mtl_errors(target):
            sync(staged)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                create_file(staged, target)
            except FileExistsError:
                staged.unlink()
                return False
            sync(target.parent)
        return True

    def _stage(self, data: bytes) -> Path:
        with os_errors_as_mtl_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            staged = self.folder / f"{staging_prefix()}{os.urandom(8).hex()}"
            staged.write_bytes(data)
        return staged

    def place(self, staged: Path, name: str) -> None:
        target = self.folder / name
        with os_errors_as_mtl_errors(target):
            sync(staged)
            target.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(target)
            sync(target.parent)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        with os_errors_as_mtl_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=self.folder, prefix=staging_prefix()))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def remove_staging(self) -> None:
        remove_abandoned(self.folder)

    def list(self, folder: str = "") -> Mapping[str, int]:
        sizes = {}
        with suppress(FileNotFoundError), os.scandir(self.folder / folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # its writer has just moved it
                    if entry.is_file():
                        sizes[entry.name] = entry.stat().st_size
        return sizes

    def list_folders(self) -> Sequence[str]:
        try:
            with os.scandir(self.folder) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        except FileNotFoundError:
            return []

    def remove(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def remove_folder(self, folder: str) -> None:
        shutil.rmtree(self.folder / folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class RemoteStore:
    """A folder of a filesystem of fsspec: a file is put in one piece where that makes it appear complete."""

    url: str
    system: Any  # fsspec.AbstractFileSystem
    path: str

    def read(self, name: str) -> bytes | None:
        try:
            return cast(bytes, self.system.cat_file(self._at(name)))
        except FileNotFoundError:
            return None

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self.system.open(self._at(name), "rb"))

    def write(self, name: str, data: bytes) -> None:
        if self._appears_complete:
            self.system.pipe_file(self._at(name), data)
            return
        with self.staging() as folder:
            staged = folder / "file"
            staged.write_bytes(data)
            self.place(staged, name)

    def create(self, name: str, data: bytes) -> bool:
        target = self._at(name)
        try:
            self.system.pipe_file(target, data, mode="create")  # one request, refused if the file is there
        except FileExistsError:
            return False
        except (TypeError, ValueError, NotImplementedError):  # a filesystem that cannot refuse
            if self.read(name) is not None:
                return False
            self.write(name, data)
        return self.read(name) == data  # an object store that ignores the condition keeps the last one

    def place(self, staged: Path, name: str) -> None:
        target = self._at(name)
        with os_errors_as_mtl_errors(Path(target)):
            if self._appears_complete:
                self.system.put_file(str(staged), target)
                return
            temporary = self._at(f"{name.rpartition('/')[0]}/.{staged.parent.name}-{staged.name}".lstrip("/"))
            self.system.makedirs(target.rpartition("/")[0], exist_ok=True)
            self.system.put_file(str(staged), temporary)
            self._remove(target)
            self.system.mv(temporary, target)

    @property
    def _appears_complete(self) -> bool:
        names = self.system.protocol
        kinds = {names} if isinstance(names, str) else set(names)
        return bool(_APPEARS_COMPLETE & {*kinds, getattr(getattr(self.system, "fs", None), "type_name", "")})

    @contextmanager
    def staging(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="mtl-") as folder:
            yield Path(folder)

    def remove_staging(self) -> None:
        """A temporary folder of this machine is its own affair."""

    def list(self, folder: str = "") -> Mapping[str, int]:
        entries = self._entries(folder)
        return {entry["name"].rpartition("/")[2]: entry["size"] for entry in entries if entry["type"] == "file"}

    def list_folders(self) -> Sequence[str]:
        folders = (entry["name"].rstrip("/") for entry in self._entries("") if entry["type"] == "directory")
        return sorted(name.rpartition("/")[2] for name in folders)

    def _entries(self, folder: str) -> Iterable[Mapping[str, Any]]:
        self.system.invalidate_cache()
        try:
            entries: Iterable[Mapping[str, Any]] = self.system.ls(self._at(folder), detail=True)
        except FileNotFoundError:
            return []
        return entries

    def remove(self, *names: str) -> None:
        for name in names:
            self._remove(self._at(name))

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self.system.rm_file(path)

    def remove_folder(self, folder: str) -> None:
        self.system.invalidate_cache()
        if self.system.exists(self._at(folder)):
            self.system.rm(self._at(folder), recursive=True)

    def _at(self, name: str) -> str:
        return f"{self.path}/{name}" if name else self.path
