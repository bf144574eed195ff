"""The exceptions of every package of this project: each message says what went wrong, where, and what to do.

The tree::

    MtlError                    exit code 2: the caller can fix it
      MissingPackageError       an optional package is not installed, or two packages exclude each other
      RecordError               a JSON or TOML record does not have the fields it must have
      TableError                a csv, tsv, jsonl, parquet or text file is malformed
        EncodingError           bytes of it are not UTF-8
        MissingColumnError      it lacks a column
      InvalidTextError          a text cannot be classified (wrong type, lone surrogate, too long)
      UnknownTaskError          the bundle has no such task
      UnknownLabelError         the task has no such label
      UnknownVariantError       the bundle has no such variant
      ProviderError             the requested execution provider cannot run here, or another one ran
      BundleError               the folder is not a bundle, or has another format
        TokenizerError          its tokenizer.json cannot read every text, or gives what the graph does not take
      CheckFailedError          exit code 1: a check ran and failed
        IntegrityError          a file's bytes are not those that the manifest promises
        NonFiniteError          the model returned NaN or infinity
"""

import copy
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self

from mtl_runtime.wording import elide, enumerate_names, name_path, shorten

__all__ = [
    "BundleError",
    "CheckFailedError",
    "EncodingError",
    "IntegrityError",
    "InvalidTextError",
    "MissingColumnError",
    "MissingPackageError",
    "MtlError",
    "NonFiniteError",
    "ProviderError",
    "RecordError",
    "TableError",
    "TokenizerError",
    "UnknownLabelError",
    "UnknownTaskError",
    "UnknownVariantError",
]


# What a name is compared with to suggest another one, which takes longer the more there is of it.
_COMPARED_COLUMNS, _COMPARED_CHARACTERS = 5000, 200


class MtlError(Exception):
    """Base of every deliberate error; ``exit_code`` is the exit code of the command line.

    ``str(error)`` has at most 500 characters: of a longer message the middle is left out. Its lists and values are
    short from the start (mtl_runtime.wording), so that this happens only where a caller's own words are that long.
    """

    exit_code: ClassVar[int] = 2

    def __str__(self) -> str:
        return elide(super().__str__())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the message and the attributes: subclasses take other arguments than their message."""
        return _unpickle, (type(self), self.args, self.__dict__)


class MissingPackageError(MtlError):
    """An optional package is needed and absent; the message holds the command that installs it."""


class RecordError(MtlError):
    """A JSON or TOML record has an unknown, missing or mistyped field; ``where`` is its dotted path."""

    def __init__(self, where: str, problem: str) -> None:
        self.where, self.problem = where, problem
        super().__init__(f"{where}: {problem}" if where else problem)


class TableError(MtlError):
    """A table cannot be read: ``path``, 1-based ``line`` (parquet: row number), ``column`` if known."""

    def __init__(self, path: Path, problem: str, *, line: int | None = None, column: str | None = None) -> None:
        self.path, self.problem, self.line, self.column = path, problem, line, column
        place = name_path(path) + (f", line {line}" if line is not None else "")
        place += f", column {shorten(column, 60)!r}" if column is not None else ""
        super().__init__(f"{place}: {problem}")

    def with_advice(self, advice: str) -> Self:
        """The same error, whose message also says what the caller can do; ``problem`` stays as it is."""
        error = copy.copy(self)
        error.args = (f"{self}{advice}",)
        return error


class EncodingError(TableError):
    """Bytes of a table are not UTF-8: if one row has them, other rows most likely have them too."""


class MissingColumnError(TableError):
    """A table has no column ``name``; ``similar`` is the column that was probably meant, if there is one."""

    LISTED: ClassVar[int] = 10  # columns that the message lists
    LONGEST: ClassVar[int] = 20  # characters of a name in that list

    def __init__(self, path: Path, name: str, columns: Iterable[str], *, remark: str = "") -> None:
        columns = list(columns)
        self.name, self.similar = name, _find_similar(name, columns)
        suggestion = "" if self.similar is None else f" (did you mean {_spell(shorten(self.similar, 60), name)}?)"
        listed = enumerate_names(columns, most=self.LISTED, characters=self.LONGEST) or "none"
        problem = f"there is no column {shorten(name, 60)!r}{suggestion}; the columns are: {listed}"
        super().__init__(path, f"{problem}{remark}", line=1)


def _find_similar(name: str, columns: Iterable[str]) -> str | None:
    """Find the column whose name looks the same, or differs in case, in outer spaces or in a letter."""
    spellings = {_plain_spelling(column): column for column in columns}
    asked = _plain_spelling(name)
    if asked in spellings or len(asked) > _COMPARED_CHARACTERS:
        return spellings.get(asked)
    import difflib  # only a mistake needs it

    near = difflib.get_close_matches(asked, islice(spellings, _COMPARED_COLUMNS), n=1, cutoff=0.8)
    return spellings[near[0]] if near else None


def _spell(similar: str, name: str) -> str:
    """In quotes, and in ASCII where the two names would otherwise look alike."""
    alike = unicodedata.normalize("NFKC", similar) == unicodedata.normalize("NFKC", name)
    return ascii(similar) if alike else repr(similar)


def _plain_spelling(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip("\ufeff\u200b \t").casefold()


class InvalidTextError(MtlError):
    """The text at ``index`` of the call cannot be classified."""

    def __init__(self, index: int, problem: str) -> None:
        self.index, self.problem = index, problem
        super().__init__(f"text {index}: {problem}")

    def at(self, index: int) -> "InvalidTextError":
        """The same error about the text at another index."""
        return InvalidTextError(index, self.problem)


class UnknownTaskError(MtlError):
    """The caller asked for a task that the bundle lacks."""

    def __init__(self, task: str, known: Iterable[str]) -> None:
        self.task, self.known = task, tuple(known)
        super().__init__(f"no task {shorten(task, 60)!r} in this bundle; it has: {enumerate_names(self.known)}")


class UnknownLabelError(MtlError):
    """The caller asked for a label that the task lacks; a regression has none."""

    def __init__(self, label: str, task: str, known: Iterable[str]) -> None:
        self.label, self.task, self.known = label, task, tuple(known)
        has = (
            f"it has: {enumerate_names(self.known)}"
            if self.known
            else "it is a regression and has none: leave label out"
        )
        super().__init__(f"no label {shorten(label, 60)!r} in task {task!r}; {has}")


class UnknownVariantError(MtlError):
    """The caller asked for a variant that the bundle lacks."""

    def __init__(self, variant: str, known: Iterable[str]) -> None:
        self.variant, self.known = variant, tuple(known)
        super().__init__(f"no variant {shorten(variant, 60)!r} in this bundle; it has: {enumerate_names(self.known)}")


class ProviderError(MtlError):
    """The requested execution provider is absent, or onnxruntime chose another one."""


class BundleError(MtlError):
    """The folder is not a bundle that this version can read."""


class TokenizerError(BundleError):
    """tokenizer.json cannot read every text, or gives what the graph does not take."""

    ADVICE: ClassVar[str] = "use the one that its encoder was published with, and export again"

    def __init__(self, problem: str, *, advice: str = ADVICE) -> None:
        self.problem = problem
        super().__init__(f"tokenizer.json {problem}; {advice}")


class ComputationError(MtlError):
    """onnxruntime failed in the middle of a batch; the message holds the node's name where onnxruntime gives it."""


class CheckFailedError(MtlError):
    """A check ran to its end and failed."""

    exit_code: ClassVar[int] = 1


class IntegrityError(CheckFailedError):
    """The bytes of ``name`` are not those that the manifest promises."""

    def __init__(self, name: str, problem: str) -> None:
        self.name, self.problem = name, problem
        super().__init__(f"{name}: {problem}; the bundle was changed or damaged, copy it again from its source")


class NonFiniteError(CheckFailedError):
    """The model returned NaN or infinity for the text at ``index``, from which no label can be derived."""

    def __init__(self, index: int, output: str) -> None:
        self.index, self.output = index, output
        super().__init__(
            f"text {index}: {output} is not finite, so there is no label for it (run `mtl verify` on the bundle)"
        )

    def at(self, index: int) -> "NonFiniteError":
        """The same error about the text at another index."""
        return NonFiniteError(index, self.output)


def _unpickle(cls: type[MtlError], args: tuple[Any, ...], attributes: Mapping[str, Any]) -> MtlError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(attributes)
    return error
