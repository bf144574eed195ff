"""changed files of a bundle -> a manifest that promises them: a hostile bundle has right hashes."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from mtl_runtime.bundle.bundle import DIGEST_NAME
from mtl_runtime.bundle.manifest import MANIFEST_NAME

__all__ = ["rehash", "write_content"]


def rehash(bundle: Path, *, add: Iterable[str] = (), graphs: Mapping[str, str] | None = None) -> None:
    """Write size and hash of each file into the manifest, and the manifest's own hash.

    Args:
        bundle: folder of the bundle.
        add: names of further files that the manifest shall list.
        graphs: variant -> the name of the file that is its graph from now on.
    """
    content = json.loads((bundle / MANIFEST_NAME).read_bytes())
    for name in (*content["files"], *add):
        data = (bundle / name).read_bytes()
        content["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    for variant, graph in (graphs or {}).items():
        content["variants"][variant]["graph"] = graph
    write_content(bundle, json.dumps(content, ensure_ascii=False, indent=2).encode())


def write_content(bundle: Path, manifest: bytes) -> None:
    """Write any bytes as the manifest, and their hash next to them."""
    (bundle / MANIFEST_NAME).write_bytes(manifest)
    (bundle / DIGEST_NAME).write_text(f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST_NAME}\n", "utf-8")
