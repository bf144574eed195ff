"""commit -> a folder with its files, in which the interpreter finds compiled bytecode."""

import compileall
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from mtl_runtime.errors import MtlError

__all__ = ["checked_out", "compile_runtime", "describe_working_tree", "resolve_commit"]

RUNTIME = "runtime"  # folder of the package in a checkout


def resolve_commit(root: Path, name: str) -> str:
    """The hash of the commit that ``name`` (a hash, branch or tag) stands for in the repository ``root``.

    Raises:
        MtlError: there is none.
    """
    return _git(root, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")


def describe_working_tree(root: Path) -> str:
    """The commit that is checked out in ``root``, and whether files differ from it."""
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return resolve_commit(root, "HEAD") + (" with changes" if changed else "")


@contextlib.contextmanager
def checked_out(root: Path, commit: str, folder: Path) -> Iterator[Path]:
    """``folder`` as a git worktree of ``commit``, until the block ends.

    Raises:
        MtlError: git refuses, or the commit has no runtime.
    """
    _git(root, "worktree", "add", "--detach", "--force", str(folder), commit)
    try:
        compile_runtime(folder)
        yield folder
    finally:
        _git(root, "worktree", "remove", "--force", str(folder))


def compile_runtime(checkout: Path) -> None:
    """Compile the package of the runtime, so that no process that is timed does it.

    Raises:
        MtlError: there is no such package.
    """
    package = checkout / RUNTIME / "mtl_runtime"
    if not package.is_dir():
        raise MtlError(f"{package} does not exist; name a commit that has it")
    compileall.compile_dir(package, quiet=2)


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise MtlError(
            f"git cannot be started ({error.strerror}); the guard compares commits of a repository"
        ) from error
    if done.returncode:
        raise MtlError(f"git {arguments[0]} failed: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()
