"""``python -m mtl_bench.studies.serving`` -> :func:`mtl_bench.studies.serving.command.main`."""

from mtl_bench.studies.serving.command import main

main()
