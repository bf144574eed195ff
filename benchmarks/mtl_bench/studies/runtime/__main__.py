"""``python -m mtl_bench.studies.runtime`` -> :func:`mtl_bench.studies.runtime.command.main`."""

from mtl_bench.studies.runtime.command import main

main()
