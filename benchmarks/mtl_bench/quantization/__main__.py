"""``python -m mtl_bench.quantization`` -> :func:`mtl_bench.quantization.command.main`."""

from mtl_bench.quantization.command import main

main()
