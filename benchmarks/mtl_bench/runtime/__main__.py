"""``python -m mtl_bench.runtime`` -> :func:`mtl_bench.runtime.command.main`."""

from mtl_bench.runtime.command import main

main()
