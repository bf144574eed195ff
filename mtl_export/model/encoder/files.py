"""hub id or folder -> the files of the encoder in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtl_export.errors import EncoderError
from mtl_export.upstream import find_file
from mtl_runtime.core import records
from mtl_runtime.errors import RecordError

__all__ = ["EncoderFiles", "loading_error"]

_LFS = b"version https://git-lfs"


def loading_error(source: str, problem: object) -> EncoderError:
    """The error that says why ``source`` cannot be loaded, in one line, and what an encoder is."""
    return EncoderError(
        f"encoder {source!r} cannot be loaded: {' '.join(str(problem).split())} "
        f"([encoder] model is a hub id, or a folder with config.json, model.safetensors and tokenizer.json)"
    )


@dataclass(frozen=True, slots=True)
class EncoderFiles:
    """Files of a hub repository or a folder."""

    source: str  # hub id, or path of a folder
    subfolder: str = ""  # where the files are; "": at the top

    @property
    def location(self) -> dict[str, str]:
        """Arguments of transformers' ``from_pretrained`` that name these files."""
        if Path(self.source).is_dir():
            return {"pretrained_model_name_or_path": str(Path(self.source, self.subfolder))}
        return {"pretrained_model_name_or_path": self.source, "subfolder": self.subfolder}

    def find(self, name: str) -> Path | None:
        """A file, downloaded where necessary; None where there is no such file.

        Raises:
            EncoderError: the repository does not exist, needs a login, or cannot be read.
        """
        try:
            return find_file(self.source, self._path(name))
        except (OSError, ValueError) as error:
            raise loading_error(self.source, error) from error

    def find_pointer(self, *names: str) -> str | None:
        """The first of these files that is a pointer of Git LFS in place of its content."""
        files = ((name, self.find(name)) for name in names)
        return next((name for name, file in files if file is not None and _is_pointer(file)), None)

    def read_json(self, name: str) -> Any:
        """The content of a JSON file; None where there is no such file.

        Raises:
            EncoderError: it is not JSON.
        """
        if (file := self.find(name)) is None:
            return None
        try:
            return records.parse_json(file.read_bytes(), where=self._path(name))
        except (RecordError, OSError) as error:
            raise EncoderError(f"encoder {self.source!r}: {error}") from error

    def read_table(self, name: str) -> dict[str, Any]:
        """The content of a JSON file that holds an object; {} where there is no such file.

        Raises:
            EncoderError: it is not JSON, or no object.
        """
        content = self.read_json(name)
        if content is not None and not isinstance(content, dict):
            raise EncoderError(f"encoder {self.source!r}: {self._path(name)} holds no table of keys")
        return content or {}

    def _path(self, name: str) -> str:
        return f"{self.subfolder}/{name}" if self.subfolder else name


def _is_pointer(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(_LFS)) == _LFS
