"""``python -m mtl_bench.studies.hostile`` -> :func:`mtl_bench.studies.small_data.command.main`."""

from mtl_bench.studies.hostile.command import main

main()
