"""bundle + kit -> what peers make ahead of time, such as optimized graphs; errors become <kit>/errors/<peer>.txt.

    python benchmarks/peers/prepare.py BUNDLE [PEER ...]

Of all peers, one that fails is a finding that the benchmark shows; of those named, it makes the exit code 1.
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
_LAST_LINES = 12  # of a complaint, as much as is kept


def prepare(peer: Peer) -> str | None:
    """Run what ``peer`` makes ahead of time in its environment; what went wrong, or None."""
    environment = {**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [str(peer.python), "-c", _CALL, str(peer.prepare), json.dumps(dict(peer.settings))],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return said_last(done.stderr) or f"it ended with {done.returncode}" if done.returncode else None


def said_last(stderr: str) -> str:
    """The error below a traceback: the frames above it are of this machine's folders."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    frames = [index for index, line in enumerate(lines) if line.startswith("  ")]
    return "\n".join(lines[frames[-1] + 1 if frames else 0 :][-_LAST_LINES:])


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1)
def main(bundle: Path, names: Sequence[str]) -> None:
    """Prepare the peers NAMES, or all of them, with the kit of BUNDLE."""
    try:
        known = {peer.name: peer for peer in read_peers(HERE, bundle, preparing=True)}
        if unknown := [name for name in names if name not in known]:
            raise click.UsageError(f"there is no peer {', '.join(unknown)}; there are: {', '.join(known)}")
    except MtlError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    chosen = [known[name] for name in ordered(names or known, known) if known[name].prepare is not None]
    failed = [peer.name for peer in chosen if not _prepared(peer)]
    sys.exit(1 if names and failed else 0)


def ordered(names: Iterable[str], known: Mapping[str, Peer]) -> list[str]:
    """``names`` and what they need, that first."""
    return list(dict.fromkeys(each for name in names for each in (*ordered(known[name].needs, known), name)))


def _prepared(peer: Peer) -> bool:
    begin = time.monotonic()
    for folder in (ERRORS, PREPARED):
        (peer.kit / folder / f"{peer.name}.txt").unlink(missing_ok=True)  # of an earlier attempt
    problem = peer.problem or prepare(peer)
    if problem is None:
        _note(peer, PREPARED, "")
    elif peer.problem is None:
        _note(peer, ERRORS, f"it could not be prepared: {problem}\n")
    print(f"{peer.name}: {'FAILED' if problem else 'prepared'} ({time.monotonic() - begin:.0f} s)", flush=True)
    if problem is not None:
        print(f"    {problem.splitlines()[-1]}")
    return problem is None


def _note(peer: Peer, folder: str, content: str) -> None:
    (peer.kit / folder).mkdir(exist_ok=True)
    (peer.kit / folder / f"{peer.name}.txt").write_text(content, "utf-8")


if __name__ == "__main__":
    main()
