"""``python -m mtl_bench.studies.compression`` -> :func:`mtl_bench.studies.compression.command.main`."""

from mtl_bench.studies.compression.command import main

main()
