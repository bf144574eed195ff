"""name -> the bundle that answers to it now."""

from collections.abc import Iterable, Iterator

from mtl_runtime.server.failures import UnknownModelError
from mtl_runtime.server.served_model import ServedModel

__all__ = ["ModelTable"]


class ModelTable:
    """The bundles of a server by name; the first is the one that answers where a client names none.

    Args:
        models: at least one, with different names.
    """

    def __init__(self, models: Iterable[ServedModel]) -> None:
        self._models = {model.name: model for model in models}

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models.values())

    @property
    def default(self) -> ServedModel:
        """The first model."""
        return next(iter(self._models.values()))

    def get(self, name: str | None) -> ServedModel:
        """The model of that name; None: the first.

        Raises:
            UnknownModelError: there is none.
        """
        if name is None:
            return self.default
        if name not in self._models:
            raise UnknownModelError(name, self._models)
        return self._models[name]

    def replace(self, model: ServedModel) -> None:
        """Let ``model`` answer under its name from now on; requests under way keep the one that they have.

        Raises:
            UnknownModelError: no model has that name.
        """
        self.get(model.name)
        self._models = {**self._models, model.name: model}
