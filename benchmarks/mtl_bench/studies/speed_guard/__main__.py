"""``python -m mtl_bench.studies.speed_guard``: see :mod:`mtl_bench.studies.speed_guard.command`."""

from mtl_bench.studies.speed_guard.command import main

main()
