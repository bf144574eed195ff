"""name -> the bundle that answers to it now."""

import random
from collections.abc import Iterable, Iterator, Sequence

from mtl_runtime.server.failures import UnknownModelError
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.settings import Split

__all__ = ["ModelTable"]


class ModelTable:
    """The bundles of a server by name.

    Args:
        models: at least one, with different names.
        splits: names that stand for several of them; the first split, or else the first model, answers where a client
            names none.
    """

    def __init__(self, models: Iterable[ServedModel], splits: Sequence[Split] = ()) -> None:
        self._models = {model.name: model for model in models}
        self._splits = {split.name: split for split in splits}
        self._default = next(iter(self._splits or self._models))

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models.values())

    @property
    def names(self) -> tuple[str, ...]:
        """All names that clients may use, the default one first."""
        return tuple(dict.fromkeys((self._default, *self._splits, *self._models)))

    def get(self, name: str | None) -> ServedModel:
        """The model of that name, of a split one of its models by weight; None: the default.

        Raises:
            UnknownModelError: there is none.
        """
        asked = self._default if name is None else name
        if (split := self._splits.get(asked)) is not None:
            (asked,) = random.choices(list(split.weights), list(split.weights.values()))  # noqa: S311 - no secret
        if asked not in self._models:
            raise UnknownModelError(asked, self.names)
        return self._models[asked]

    def replace(self, model: ServedModel) -> None:
        """Let ``model`` answer under its name from now on; requests under way keep the one that they have.

        Raises:
            UnknownModelError: no model has that name.
        """
        if model.name not in self._models:
            raise UnknownModelError(model.name, self._models)
        self._models = {**self._models, model.name: model}
