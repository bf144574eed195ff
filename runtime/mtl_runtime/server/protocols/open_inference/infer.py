"""texts and names of outputs -> tensors, whichever transport brought the request."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from mtl_runtime.inference.requests import Result
from mtl_runtime.inference.tensor_outputs import BYTES, INPUT, TensorOutput
from mtl_runtime.server.failures import BadRequestError, NotFoundError
from mtl_runtime.server.models import ModelTable
from mtl_runtime.server.protocols.open_inference.outputs import classify, outputs_of, to_tensor
from mtl_runtime.server.protocols.open_inference.tensors import Tensor
from mtl_runtime.server.served_model import ServedModel

__all__ = ["VERSION", "AskedOutput", "InferRequest", "check_input", "find_model", "infer", "to_seconds"]

VERSION = "1"  # the one version of each model

Predict = Callable[..., Awaitable[Result]]  # Service.predict, or Call.predict


@dataclass(frozen=True, slots=True)
class AskedOutput:
    """An output that a client asks for."""

    name: str
    class_count: int = 0  # give that many of the best labels instead of all probabilities
    is_binary: bool = False  # over REST: behind the JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """A request without the form that its transport gave it."""

    texts: Sequence[str]
    outputs: Sequence[AskedOutput] = ()  # none: those of all tasks
    is_binary: bool = False  # over REST: where it names no outputs, they come behind the JSON
    timeout: float | None = None  # seconds
    id: str | None = None


def find_model(models: ModelTable, name: str, version: str | None) -> ServedModel:
    """The model of that name and version; no version: the one that there is.

    Raises:
        NotFoundError: there is none.
    """
    model = models.get(name)
    if version not in (None, "", VERSION):
        raise NotFoundError(f"model {name!r} has no version {version[:40]!r}; it has: {VERSION}")
    return model


def check_input(names: Sequence[str], datatypes: Sequence[str]) -> None:
    """Require the one input of a model.

    Raises:
        BadRequestError: another one, or none, or several, or not of strings.
    """
    if list(names) != [INPUT]:
        named = ", ".join(repr(name[:40]) for name in names[:4]) or "none"
        raise BadRequestError(f"a model has one input, {INPUT!r}; the request has: {named}")
    if datatypes[0] != BYTES:
        raise BadRequestError(f"input {INPUT!r} has the datatype {BYTES}, not {datatypes[0][:40]!r}")


def to_seconds(microseconds: int | None) -> float | None:
    """The parameter ``timeout``; 0 stands for none, as for Triton.

    Raises:
        BadRequestError: it is negative.
    """
    if microseconds is not None and microseconds < 0:
        raise BadRequestError(f"timeout is {microseconds}; it must be a number of microseconds")
    return microseconds / 1e6 if microseconds else None


async def infer(predict: Predict, model: ServedModel, request: InferRequest) -> list[tuple[AskedOutput, Tensor]]:
    """Answer the outputs that a request asks for, in its order.

    Raises:
        BadRequestError: the model has no such output, or one is asked for twice.
        Exception: as ``predict``.
    """
    known = {output.name: output for output in outputs_of(model)}
    default = [AskedOutput(name, is_binary=request.is_binary) for name, output in known.items() if output.task]
    asked = request.outputs or default
    _check_outputs(asked, known)
    outputs = [known[one.name] for one in asked]
    tasks = dict.fromkeys(output.task for output in outputs if output.task)
    embed = any(output.task is None for output in outputs)
    result = await predict(model, request.texts, tasks=tasks, embed=embed, timeout=request.timeout)
    return [(one, _to_tensor(output, one, result)) for one, output in zip(asked, outputs, strict=True)]


def _to_tensor(output: TensorOutput, asked: AskedOutput, result: Result) -> Tensor:
    tensor = to_tensor(output, result)
    return classify(tensor, output.labels, asked.class_count) if asked.class_count else tensor


def _check_outputs(asked: Sequence[AskedOutput], known: Mapping[str, TensorOutput]) -> None:
    names = set()
    for one in asked:
        if one.name not in known:
            raise BadRequestError(f"the model has no output {one.name[:80]!r}; it has: {', '.join(known)}")
        if one.name in names:
            raise BadRequestError(f"output {one.name!r} is asked for twice")
        if one.class_count < 0 or (one.class_count and not known[one.name].labels):
            raise BadRequestError(
                f"classification is {one.class_count} for output {one.name!r}; only the probabilities of a task have "
                f"classes, and at least one is given"
            )
        names.add(one.name)
