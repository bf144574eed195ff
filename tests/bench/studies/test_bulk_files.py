"""The acceptance run for bulk files, on a tiny bundle."""

import csv
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mtl_bench.studies.bulk_files import main, run_uninterrupted, write_texts

TINY_BUNDLE = Path(__file__).parents[2] / "runtime" / "data" / "tiny_bundle"
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def test_texts_are_distinct_and_the_seeds(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_texts(tmp_path / name, 500, seed=seed)
    with (tmp_path / "a").open(newline="") as stream:
        assert len({row["text"] for row in csv.DictReader(stream)}) == 500
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


@linux
def test_a_run_records_memory_speed_and_kills(tmp_path):
    argv = [TINY_BUNDLE, "-o", tmp_path / "bulk.json", "--rows", "3000", "--kills", "2", "--kill-rows", "5000"]
    done = CliRunner().invoke(main, list(map(str, argv)))
    assert done.exit_code == 0, done.output
    results = json.loads((tmp_path / "bulk.json").read_text())
    assert results["large"]["rows"] == 3000
    assert all(20 < results["large"][figure] < 600 for figure in ("sampled_rss_mb", "peak_rss_mb"))
    assert len(results["killed"]["kills"]) == 2
    assert results["killed"]["identical"] == results["killed"]["outputs"] >= 1


@linux
def test_memory_is_that_of_the_process_alone_and_not_of_the_one_that_starts_it(tmp_path):
    source = tmp_path / "in"
    source.touch()
    ballast = bytearray(300 * 2**20)  # of the starting process
    command = [sys.executable, "-c", "import sys, time; open(sys.argv[3], 'w'); time.sleep(0.5)"]
    run = run_uninterrupted(command, source, tmp_path / "out", rows=1)
    del ballast
    assert 1 < run.sampled_rss_mb <= run.peak_rss_mb < 300


@linux
def test_too_much_memory_fails_the_run(tmp_path):
    argv = [TINY_BUNDLE, "-o", tmp_path / "bulk.json", "--rows", "10", "--kills", "0", "--kill-rows", "1"]
    done = CliRunner().invoke(main, [*map(str, argv), "--limit-mb", "1"])
    assert done.exit_code == 1
    assert "MB of memory, the limit is 1 MB" in done.output
