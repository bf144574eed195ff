"""The one rule by which all protocols that have room for one task's answer choose the bundle and the task."""

from typing import NamedTuple

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.server.failures import BadRequestError
from mtl_runtime.server.http.call import Call
from mtl_runtime.server.served_model import ServedModel

__all__ = ["TASK_QUERY", "TaskChoice", "choose_task"]

TASK_QUERY = {"model": "Bundle that answers, or `bundle:task`; default: the first.", "task": "Task that answers."}


class TaskChoice(NamedTuple):
    """Who answers."""

    model: ServedModel
    task: TaskSpec


def choose_task(call: Call, name: str | None = None) -> TaskChoice:
    """Read ``bundle`` or ``bundle:task`` from the body or ``?model=``, and the task from ``?task=``.

    Where no bundle is named, the server's first answers; where no task is named, the bundle's first.

    Args:
        call: has the URL.
        name: of the model, where the protocol's bodies have one; it counts more than ``?model=``.

    Raises:
        UnknownModelError, UnknownTaskError: there is none of that name.
        BadRequestError: two tasks are named.
    """
    name = name or call.query("model")
    bundle, colon, in_name = (name or "").partition(":")
    in_url = call.query("task")
    if in_url is not None and colon and in_url != in_name:
        raise BadRequestError(f"the URL asks for task {in_url!r}, and the model {name!r} for another; name one")
    model = call.service.models.get(bundle if name else None)
    task = in_name if colon else in_url
    (spec, *_) = model.classifier.task_specs(None if task is None else [task])
    return TaskChoice(model, spec)
