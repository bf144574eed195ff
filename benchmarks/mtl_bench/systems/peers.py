"""peers.toml -> the other systems, each with the interpreter of its environment, or with the problem that it has."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core import records
from mtl_runtime.errors import RecordError

__all__ = ["ERRORS", "KIT_FACTS", "PREPARED", "Peer", "read_peers"]

KIT_FACTS = "kit.json"  # in the kit: its tasks, and the digest of the bundle that they belong to
ERRORS = "errors"  # folder in the kit: <peer>.txt says why a peer could not be prepared
PREPARED = "prepared"  # folder in the kit: <peer>.txt is there once a peer is prepared
_TABLE = "peers.toml"
_NAME = re.compile(r"[a-z0-9-]+")  # also of files

Setting = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A system to compare with ours; paths are absolute."""

    name: str
    title: str
    kind: Literal["peer", "ours"]
    environment: str
    python: Path  # interpreter of the environment
    folder: Path  # of the drivers
    kit: Path
    driver: str  # module:function, a function of the settings that returns a SystemDriver
    prepare: str | None  # module:function of the same settings, called once after the kit was written
    needs: tuple[str, ...]  # peers to prepare before
    settings: Mapping[str, Any]
    precision: str
    docs: str  # the page that recommends the settings
    files: tuple[Path, ...]  # the model's
    problem: str | None  # why it cannot be started

    def size_bytes(self) -> int | None:
        """Bytes of the model's files; None: it has none of its own, or cannot run."""
        return sum(file.stat().st_size for file in self.files) if self.files and self.problem is None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _PeerRow:
    title: str
    environment: str
    driver: str
    precision: str
    docs: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    kind: Literal["peer", "ours"] = "peer"
    prepare: str | None = None
    needs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _PeersFile:
    environments: str
    kit: str
    environment: Mapping[str, str]
    peer: Mapping[str, _PeerRow]

    def __post_init__(self) -> None:
        for name, row in self.peer.items():
            if not _NAME.fullmatch(name):
                raise RecordError(f"peer.{name}", "a name has small letters, digits and hyphens only")
            if unknown := [other for other in row.needs if other not in self.peer]:
                raise RecordError(f"peer.{name}.needs", f"there is no peer {unknown[0]!r}")
            if row.environment not in self.environment:
                known = ", ".join(self.environment)
                raise RecordError(f"peer.{name}.environment", f"{row.environment!r} is none of {known}")
            if row.kind == "ours" and "variant" not in row.settings:
                raise RecordError(
                    f"peer.{name}.settings",
                    'kind = "ours" needs the name of the variant here, such as variant = "cpu-int8"',
                )
            for key in ("driver", "prepare"):
                function = getattr(row, key)
                if function is not None and function.count(":") != 1:
                    raise RecordError(f"peer.{name}.{key}", f"{function!r} is not written as module:function")


def read_peers(table: Path, bundle: Path, *, preparing: bool = False) -> tuple[Peer, ...]:
    """Read the table of peers.

    Args:
        table: peers.toml, or the folder that holds it.
        bundle: that ``{bundle}`` stands for in settings, and that the kit has to belong to.
        preparing: whether they are about to be prepared, so that it is no problem that they are not.

    Raises:
        RecordError: the table has an unknown or missing key, or a value of the wrong kind.
        BundleError: no bundle is there.
    """
    file = (table / _TABLE if table.is_dir() else table).absolute()
    content = _read_file(file)
    folders = _Folders(
        drivers=file.parent,
        kit=(file.parent / content.kit).resolve(),
        environments=(file.parent / content.environments).resolve(),
        bundle=bundle.resolve(),
    )
    opened = Bundle.open(bundle)
    kit_problem = _problem_of_kit(folders.kit, opened.digest)

    def problem(name: str, row: _PeerRow) -> str | None:
        return (
            _problem_of_environment(folders.environments, row.environment)
            or (kit_problem if row.kind == "peer" else _problem_of_variant(opened, row.settings["variant"]))
            or (None if preparing or row.kind == "ours" else _problem_of_peer(folders.kit, name, row.prepare))
        )

    return tuple(_peer(name, row, folders, problem(name, row)) for name, row in content.peer.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folders:
    drivers: Path
    kit: Path
    environments: Path
    bundle: Path


def _peer(name: str, row: _PeerRow, folders: _Folders, problem: str | None) -> Peer:
    paths = {"kit": str(folders.kit), "bundle": str(folders.bundle)}
    return Peer(
        name=name,
        title=row.title,
        kind=row.kind,
        environment=row.environment,
        python=folders.environments / row.environment / "bin" / "python",
        folder=folders.drivers,
        kit=folders.kit,
        driver=row.driver,
        prepare=row.prepare,
        needs=row.needs,
        settings={key: _fill_in(value, paths) for key, value in row.settings.items()},
        precision=row.precision,
        docs=row.docs,
        files=tuple(sorted(path for pattern in row.files for path in folders.kit.glob(pattern))),
        problem=problem,
    )


def _read_file(file: Path) -> _PeersFile:
    try:
        data = tomllib.loads(file.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecordError(file.name, f"not valid TOML: {error}") from error
    return records.from_dict(_PeersFile, data, where=file.name)


def _fill_in(value: Setting, paths: Mapping[str, str]) -> Setting:
    if isinstance(value, str):
        for name, path in paths.items():
            value = value.replace(f"{{{name}}}", path)
    return value


def _problem_of_environment(environments: Path, name: str) -> str | None:
    complaint = environments / f"{name}.error"
    if complaint.is_file():
        return f"the environment {name} could not be made: {complaint.read_text('utf-8').strip()}"
    # pip may fail long after the interpreter is there; the file with what it installed is written last.
    if not (environments / name / "installed.txt").is_file():
        return f"the environment {name} is not made; run benchmarks/peers/install.py {name}"
    return None


def _problem_of_kit(kit: Path, digest: str) -> str | None:
    facts = kit / KIT_FACTS
    if not facts.is_file():
        return f"{kit} is not made; run `make peers`"
    if records.parse_json(facts.read_bytes(), where=str(facts)).get("bundle") != digest:
        return f"{kit} was made for another bundle; run benchmarks/peers/kit.py and prepare.py with this one"
    return None


def _problem_of_variant(bundle: Bundle, variant: Setting) -> str | None:
    if variant in bundle.manifest.variants:
        return None
    return f"the bundle has no variant {variant}; export it with --variants auto,{variant}"


def _problem_of_peer(kit: Path, name: str, prepare: str | None) -> str | None:
    complaint = kit / ERRORS / f"{name}.txt"
    if complaint.is_file():
        return complaint.read_text("utf-8").strip()
    if prepare is not None and not (kit / PREPARED / f"{name}.txt").is_file():
        return f"it is not prepared; run benchmarks/peers/prepare.py with the bundle and {name}"
    return None
