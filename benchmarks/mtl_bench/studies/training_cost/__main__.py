"""``python -m mtl_bench.studies.training_cost`` -> :func:`mtl_bench.studies.training_cost.command.main`."""

from mtl_bench.studies.training_cost.command import main

main()
