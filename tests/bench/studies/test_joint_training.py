"""The comparison of one joint model with one per task, and its statistics."""

import json

import numpy as np
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mtl_bench.analysis.bootstrap import paired_bootstrap
from mtl_bench.studies.joint_training import main
from tests.export.tiny import project


def test_the_interval_of_a_mean_is_the_textbooks():
    generator = np.random.default_rng(1)
    differences = generator.normal(0.5, 1.0, 400)
    interval = paired_bootstrap(lambda rows: float(differences[rows].mean()), 400, resamples=4000)
    half = 1.96 * differences.std() / 20
    assert interval.difference == differences.mean()
    assert abs(interval.low - (differences.mean() - half)) < 0.01
    assert abs(interval.high - (differences.mean() + half)) < 0.01


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_the_interval_lies_within_the_rows_and_equal_seeds_give_equal_intervals(values):
    rows = np.array(values)
    interval = paired_bootstrap(lambda resample: float(rows[resample].mean()), len(rows), resamples=50)
    again = paired_bootstrap(lambda resample: float(rows[resample].mean()), len(rows), resamples=50)
    assert rows.min() - 1e-9 <= interval.low <= interval.high <= rows.max() + 1e-9
    assert interval == again


def test_the_command_writes_a_results_file_without_paths_of_the_machine(tmp_path):
    folder = project(tmp_path)
    (folder / "config.toml").write_text(
        '[encoder]\nmodel = "encoder"\nmax_length = 40\n[tasks.sentiment]\n[tasks.topic]\n[data]\n'
        'train = "train.csv"\nvalidation = "validation.csv"\ntest = "test.csv"\n'
        "[training]\nepochs = 1\nencoder_learning_rate = 3e-3\nhead_learning_rate = 3e-2\nbatch_size = 8\n"
    )
    arguments = [str(folder / "config.toml"), "-o", str(tmp_path / "results.json"), "--seeds", "0,1"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "results.json").read_text()
    results = json.loads(text)
    assert str(tmp_path) not in text
    assert results["seeds"] == [0, 1]
    for task in ("sentiment", "topic"):
        measured = results["tasks"][task]
        assert measured["sentences"] == 32
        assert len(measured["joint"]) == len(measured["single"]) == 2
        means = [np.mean([run["accuracy"] for run in measured[side]]) for side in ("joint", "single")]
        assert abs(measured["accuracy"]["difference"] - 100 * (means[0] - means[1])) < 1e-9
        assert measured["accuracy"]["low"] <= measured["accuracy"]["difference"] <= measured["accuracy"]["high"]
