"""``python -m mtl_bench.studies.quantization`` -> :func:`mtl_bench.studies.quantization.command.main`."""

from mtl_bench.studies.quantization.command import main

main()
