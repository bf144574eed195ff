"""bundle -> what a child process says of each variant: it opened the bundle and answered a text, within its limits."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import (
    BundleError,
    CheckFailedError,
    MissingPackageError,
    MtlError,
    ProviderError,
)
from mtl_runtime.loading.isolation.limits import SCALE, IsolationLimits
from mtl_runtime.wording import elide

__all__ = ["VariantProblem", "check_in_child"]

_CHILD = ("-m", "mtl_runtime.loading.isolation.child")
_ERRORS: Mapping[str, type[MtlError]] = {
    error.__name__: error for error in (BundleError, CheckFailedError, MissingPackageError, ProviderError)
}


@dataclass(frozen=True, slots=True)
class VariantProblem:
    """Why the child could not open a variant, or got no answer from it."""

    error: MtlError

    @property
    def is_of_this_machine(self) -> bool:
        """Whether this machine lacks the provider, which says nothing about the bundle."""
        return isinstance(self.error, MissingPackageError | ProviderError)


def check_in_child(
    bundle: Bundle, variants: Iterable[str] | None = None, *, limits: IsolationLimits | None = None
) -> dict[str, VariantProblem]:
    """Let a fresh process open ``variants`` one after the other, and ask each for the answer to a text.

    What ends that process, or never ends, does not reach this one: a crash inside onnxruntime or tokenizers, a loop
    without end, memory without bounds. It is no jail: the child may do what this user may do. Where the operating
    system has no limits of a process (Windows), only the wall clock ends it.

    Args:
        bundle: an opened one.
        variants: names of variants; default: all.
        limits: of the child; default: by the sizes of the files, times the environment's ``MTL_ISOLATION_SCALE``.

    Returns:
        Variant -> its problem; empty if all opened and answered.

    Raises:
        BundleError: the child crashed, or went beyond a limit; the message names it and says how to raise it.
        MtlError: no child process can be started.
    """
    names = list(bundle.manifest.variants if variants is None else variants)
    limits = limits or IsolationLimits.of(bundle.manifest, names)
    request = {
        "path": str(bundle.path),
        "digest": bundle.digest,
        "variants": names,
        "cpu_seconds": limits.cpu_seconds,
        "memory": limits.memory,
    }
    try:
        child = subprocess.run(  # noqa: S603 - this interpreter with our own module
            [_interpreter(), "-P", *_CHILD],
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # of libraries that panic
            timeout=limits.wall_seconds,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _beyond(bundle, f"did not end within {limits.wall_seconds:.3g} s") from None
    except OSError as error:
        raise MtlError(f"no child process can be started to open {bundle.path} in: {error}") from error
    if child.returncode:
        raise _beyond(bundle, _describe_end(child.returncode, limits))
    return _read_answer(bundle, child.stdout)


def _interpreter() -> str:
    if not sys.executable:
        raise MtlError("this program is no Python interpreter, so no child can open the bundle; leave isolate out")
    return sys.executable


def _describe_end(code: int, limits: IsolationLimits) -> str:
    memory = "" if limits.memory is None else f", or needed more than {limits.memory / 2**30:.3g} GiB of memory"
    if code > 0:
        return f"failed{memory}"
    if -code in {getattr(signal, name, None) for name in ("SIGXCPU", "SIGKILL")}:
        return f"took more than {limits.cpu_seconds:.3g} s of processor time{memory}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"crashed ({name}){memory}"


def _beyond(bundle: Bundle, what: str) -> BundleError:
    return BundleError(
        f"{bundle.path} is not opened here: a child process that opened it and answered a text {what}; "
        f"if the bundle is sound, raise the limits with {SCALE}=4 in the environment"
    )


def _read_answer(bundle: Bundle, data: bytes) -> dict[str, VariantProblem]:
    try:
        answer = json.loads(data)
        return {
            name: VariantProblem(_ERRORS[problem["error"]](elide(problem["message"])))
            for name, problem in answer.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BundleError(f"{bundle.path} is not opened here: a child process that opened it gave no answer") from None
