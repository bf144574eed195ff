"""bundle + kit -> files that peers make ahead of time, such as optimized graphs, or <kit>/errors/<peer>.txt.

    python benchmarks/peers/prepare.py BUNDLE [PEER ...]

Without names, a failure is a result that the benchmark shows; with names, it makes the exit code 1.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from mtl_bench.systems.peers import ERRORS, PREPARED, Peer, read_peers
from mtl_runtime.errors import MtlError

HERE = Path(__file__).parent
_CALL = """
import importlib, json, sys
module, _, function = sys.argv[1].partition(":")
getattr(importlib.import_module(module), function)(**json.loads(sys.argv[2]))
"""
_LAST_LINES = 12  # of the output that an error holds


def prepare(peer: Peer) -> str | None:
    """Run the preparation of ``peer`` in its environment, and return its error, or None."""
    offline = {"HF_HUB_OFFLINE": "1", "ORT_DISABLE_TELEMETRY": "1"}
    environment = {**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}", **offline}
    process = subprocess.run(
        [str(peer.python), "-c", _CALL, str(peer.prepare), json.dumps(dict(peer.settings))],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return last_error(process.stderr) or f"it ended with {process.returncode}" if process.returncode else None


def last_error(stderr: str) -> str:
    """The error below a traceback, whose frames name this machine's folders."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    frames = [index for index, line in enumerate(lines) if line.startswith("  ")]
    return "\n".join(lines[frames[-1] + 1 if frames else 0 :][-_LAST_LINES:])


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1)
def main(bundle: Path, names: Sequence[str]) -> None:
    """Prepare the peers NAMES, or all of them, with the kit of BUNDLE."""
    try:
        peers = {peer.name: peer for peer in read_peers(HERE, bundle, preparing=True)}
        if unknown := [name for name in names if name not in peers]:
            raise click.UsageError(f"there is no peer {', '.join(unknown)}; there are: {', '.join(peers)}")
    except MtlError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    ordered = [peers[name] for name in order_by_needs(names or peers, peers)]
    failed = [peer.name for peer in ordered if peer.prepare is not None and not _prepare_and_note(peer)]
    sys.exit(1 if names and failed else 0)


def order_by_needs(names: Iterable[str], peers: Mapping[str, Peer]) -> list[str]:
    """``names``, each after the peers that it needs."""
    return list(dict.fromkeys(each for name in names for each in (*order_by_needs(peers[name].needs, peers), name)))


def _prepare_and_note(peer: Peer) -> bool:
    """Prepare a peer, and note the outcome in the kit; whether it succeeded."""
    start = time.monotonic()
    for folder in (ERRORS, PREPARED):
        (peer.kit / folder / f"{peer.name}.txt").unlink(missing_ok=True)  # of an earlier attempt
    problem = peer.problem or prepare(peer)
    if problem is None:
        _note(peer, PREPARED, "")
    elif peer.problem is None:
        _note(peer, ERRORS, f"it could not be prepared: {problem}\n")
    print(f"{peer.name}: {'FAILED' if problem else 'prepared'} ({time.monotonic() - start:.0f} s)", flush=True)
    if problem is not None:
        print(f"    {problem.splitlines()[-1]}")
    return problem is None


def _note(peer: Peer, folder: str, content: str) -> None:
    (peer.kit / folder).mkdir(exist_ok=True)
    (peer.kit / folder / f"{peer.name}.txt").write_text(content, "utf-8")


if __name__ == "__main__":
    main()
