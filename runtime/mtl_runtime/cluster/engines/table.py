"""The engines by the name that ``--on`` has for them."""

from collections.abc import Mapping

from mtl_runtime.cluster.engines.engine import Engine
from mtl_runtime.cluster.engines.index import run_here, select_by_index
from mtl_runtime.cluster.engines.local import run_on_processes
from mtl_runtime.cluster.engines.ray import run_on_ray
from mtl_runtime.cluster.engines.spark import run_on_spark
from mtl_runtime.errors import MtlError

__all__ = ["ENGINES", "parse_engine"]

ENGINES: Mapping[str, Engine] = {
    "local": Engine(run=run_on_processes),
    "index": Engine(run=run_here, select=select_by_index),
    "ray": Engine(run=run_on_ray),
    "spark": Engine(run=run_on_spark),
}


def parse_engine(text: str) -> tuple[Engine, str]:
    """``NAME`` or ``NAME:WHERE`` -> the engine, and where it runs.

    Raises:
        MtlError: there is no such engine.
    """
    name, _, where = text.partition(":")
    if name not in ENGINES:
        raise MtlError(f"--on {text}: there is no engine {name!r}; there are: {', '.join(ENGINES)}")
    return ENGINES[name], where
