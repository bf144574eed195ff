"""A sound bundle -> hostile copies of it, kind by kind, and what must become of each."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from mtl_bench.studies.hostile.graphs import COMPUTING_GRAPHS, STRUCTURES
from mtl_bench.studies.hostile.manifests import hostile_manifests
from mtl_bench.studies.hostile.rehash import rehash, write_content
from mtl_bench.studies.hostile.tokenizers import HOSTILE_TOKENIZERS
from mtl_runtime.bundle.manifest import MANIFEST_NAME

__all__ = ["FLIPS", "HostileBundle", "copy_bundle", "flipped_bundles", "hostile_bundles"]

FLIPS = 200  # of each kind of file
_FLIPPED: Mapping[str, tuple[str, str]] = {  # kind of file -> a file of that kind, and the variant that reads it
    "manifest": (MANIFEST_NAME, "cpu-fp32"),
    "digest of the manifest": ("manifest.sha256", "cpu-fp32"),
    "fp32 graph": ("model.onnx", "cpu-fp32"),
    "int8 graph": ("model.int8.onnx", "cpu-int8"),
    "tokenizer": ("tokenizer.json", "cpu-fp32"),
    "golden texts": ("golden.jsonl", "cpu-fp32"),
}

# refused: in one line. same: as the sound bundle answers. either: one of both. anything: refused, or any answer, since
# the bundle is another one, and sound for most texts.
Expectation = Literal["refused", "same", "either", "anything"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileBundle:
    """One attempt."""

    kind: str
    name: str
    make: Callable[[Path], None]  # changes a copy of the sound bundle
    expected: Expectation
    variant: str = "cpu-fp32"
    isolate: bool = False


def hostile_bundles(sound: Path) -> Iterator[HostileBundle]:
    """Consistent bundles, whose hashes are right, with a hostile graph, tokenizer or manifest."""
    for name, make in STRUCTURES.items():
        yield HostileBundle(kind="graphs: structure", name=name, make=make, expected="refused")
    for name, make in COMPUTING_GRAPHS.items():
        yield HostileBundle(kind="graphs: cost", name=name, make=make, expected="refused", isolate=True)
    for name, row in HOSTILE_TOKENIZERS.items():
        expected: Expectation = "refused" if row.refused else "anything" if row.fails_at else "same"
        make_tokenizer = partial(_change_tokenizer, change=row.change)
        yield HostileBundle(kind="tokenizers", name=name, make=make_tokenizer, expected=expected)
    for name, data in hostile_manifests((sound / MANIFEST_NAME).read_bytes()):
        make_manifest = partial(_write_manifest, data=data)
        yield HostileBundle(kind="manifests", name=name, make=make_manifest, expected="either")


def flipped_bundles(sound: Path, *, seed: int = 0) -> Iterator[HostileBundle]:
    """Bundles with one byte changed, and hashes as they were."""
    random = np.random.default_rng(seed)
    for kind, (file, variant) in _FLIPPED.items():
        size = (sound / file).stat().st_size
        for number in range(FLIPS):
            place, bits = int(random.integers(size)), int(random.integers(1, 256))
            yield HostileBundle(
                kind=f"flipped bytes: {kind}",
                name=f"{number}: byte {place} ^ {bits}",
                make=partial(_flip, file=file, place=place, bits=bits),
                expected="either",
                variant=variant,
            )


def _change_tokenizer(bundle: Path, *, change: Callable[[dict[str, object]], dict[str, object]]) -> None:
    file = bundle / "tokenizer.json"
    file.write_text(json.dumps(change(json.loads(file.read_bytes())), indent=1), "utf-8")
    rehash(bundle)


def _write_manifest(bundle: Path, *, data: Callable[[], bytes]) -> None:
    write_content(bundle, data())


def _flip(bundle: Path, *, file: str, place: int, bits: int) -> None:
    content = bytearray((bundle / file).read_bytes())
    content[place] ^= bits
    (bundle / file).write_bytes(content)


def copy_bundle(sound: Path, folder: Path) -> Path:
    """A copy that an attempt may change, in place of the one before."""
    target = folder / "bundle"
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(sound, target))
