"""The engines by the name that ``--on`` has for them."""

from collections.abc import Mapping
from importlib.util import find_spec

from mtl_runtime.cluster.engines.engine import Engine
from mtl_runtime.cluster.engines.index import run_here, select_by_index
from mtl_runtime.cluster.engines.local import run_on_processes
from mtl_runtime.cluster.engines.ray import run_on_ray
from mtl_runtime.cluster.engines.spark import run_on_spark
from mtl_runtime.errors import MissingPackageError, MtlError

__all__ = ["ENGINES", "parse_engine"]

ENGINES: Mapping[str, Engine] = {
    "local": Engine(run=run_on_processes, takes_where=False),
    "index": Engine(run=run_here, select=select_by_index),
    "ray": Engine(run=run_on_ray, package="ray"),
    "spark": Engine(run=run_on_spark, package="pyspark"),
}


def parse_engine(text: str) -> tuple[Engine, str]:
    """``NAME`` or ``NAME:WHERE`` -> the engine, and where it runs.

    Raises:
        MtlError: there is no such engine, or it runs nowhere else.
        MissingPackageError: its package is not installed.
    """
    name, _, where = text.partition(":")
    if name not in ENGINES:
        raise MtlError(f"--on {text}: there is no engine {name!r}; there are: {', '.join(ENGINES)}")
    engine = ENGINES[name]
    if where and not engine.takes_where:
        raise MtlError(f"--on {text}: {name} runs on this machine; write --on {name}, and --processes for their number")
    if engine.package is not None and find_spec(engine.package) is None:
        raise MissingPackageError(f"--on {name} needs {engine.package}; run `pip install 'mtl-export[{name}]'`")
    return engine, where
