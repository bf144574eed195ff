"""``python -m mtl_bench.studies.small_data`` -> :func:`mtl_bench.studies.small_data.command.main`."""

from mtl_bench.studies.small_data.command import main

main()
