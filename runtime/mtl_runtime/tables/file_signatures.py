"""first bytes of a file -> what else it is than a text file in UTF-8, and what to do."""

from collections.abc import Mapping
from pathlib import Path

from mtl_runtime.errors import EncodingError, TableError

__all__ = ["refuse_other_files"]

_SAVE_AS_UTF8 = "save it as UTF-8"
# A longer signature stands before one that it starts with.
_ENCODINGS: Mapping[bytes, str] = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_OTHER_FILES: Mapping[bytes, str] = {
    b"PK\x03\x04": "an Excel workbook or a zip archive; save the sheet as csv in UTF-8, or unpack the archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the sheet as csv in UTF-8",
    b"\x1f\x8b": "compressed with gzip; unpack it first",
    b"BZh91AY&SY": "compressed with bzip2; unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it first",
    b"\xfd7zXZ": "compressed with xz; unpack it first",
    b"7z\xbc\xaf\x27\x1c": "compressed with 7-Zip; unpack it first",
    b"PAR1\x15": "a parquet file; give it the suffix .parquet",
    b"ARROW1\0\0": "an Arrow file; save it as parquet",
    b"SQLite format 3\0": "an SQLite database; export the table as csv",
    b"%PDF-": "a PDF; save its table as csv in UTF-8",
    b"\x93NUMPY": "an array of numpy; save it as csv, jsonl or parquet",
    b"\x80\x04\x95": "a pickle, which is never read; save it as csv, jsonl or parquet",
    b"\x80\x05\x95": "a pickle, which is never read; save it as csv, jsonl or parquet",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`",
}


def refuse_other_files(path: Path, start: bytes) -> None:
    """Refuse a file that starts with bytes that no text in UTF-8 starts with.

    Args:
        path: its name.
        start: up to the end of its first line.

    Raises:
        EncodingError: it is UTF-16 or UTF-32.
        TableError: it is no text.
    """
    for signature, encoding in _ENCODINGS.items():
        if start.startswith(signature):
            raise EncodingError(path, f"the file is {encoding}; {_SAVE_AS_UTF8}", line=1)
    for signature, description in _OTHER_FILES.items():
        if start.startswith(signature):
            raise TableError(path, f"the file is {description}")
    if _is_utf16(start[:100]):
        raise EncodingError(path, f"the file is UTF-16 without a byte order mark; {_SAVE_AS_UTF8}", line=1)


def _is_utf16(start: bytes) -> bool:
    """Whether every other byte is NUL, as in Latin text of at least four characters."""
    even, odd = start[::2], start[1::2]
    return len(odd) > 3 and ((all(even) and not any(odd)) or (all(odd) and not any(even)))
