"""The texts that are timed: the bundle's own, a file's, and those of a length profile."""

from dataclasses import replace

import numpy as np
import pytest

from mtl_bench.workloads.length_profiles import PROFILES, synthetic_workload
from mtl_bench.workloads.workload import golden_workload, read_workload
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import TableError
from tests.runtime.conftest import TINY_BUNDLE

WORDS = ["good", "bad", "soup", "match", "price"]


@pytest.fixture(scope="module")
def bundle():
    return Bundle.open(TINY_BUNDLE)


def test_golden_texts_are_taken_once_each_and_never_empty(bundle):
    workload = golden_workload(bundle, timed_texts=5)
    assert len(workload.timed) == 5
    assert len(set(workload.scored)) == len(workload.scored)
    assert all(text.strip() for text in workload.scored)


def test_a_file_is_timed_in_part_and_scored_in_full(bundle, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("body,sentiment,stars\nbad soup,negative,1\ngood soup,positive,\ngood soup,,5\nmatch,,2\n", "utf-8")
    workload = read_workload(bundle, file, column="body", timed_texts=2)
    assert list(workload.scored) == ["bad soup", "good soup", "good soup", "match"]
    assert list(workload.timed) == ["bad soup", "match"]  # a text that occurs twice would be computed once
    assert workload.true_labels == {"sentiment": ["negative", "positive", None, None], "stars": [1.0, None, 5.0, 2.0]}
    facts = workload.facts(bundle)
    assert facts.labelled == {"sentiment": 2, "stars": 3}
    assert (facts.texts, facts.scored, facts.name) == (2, 4, "rows.csv")
    assert facts.token_quantiles[0] <= facts.token_quantiles[2] <= facts.token_quantiles[4]


def test_a_file_is_read_from_the_column_of_training(bundle, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("text,sentence\nwrong,good soup\n", "utf-8")
    trained = replace(bundle, manifest=replace(bundle.manifest, text_columns=("sentence",)))
    assert list(read_workload(trained, file, column=None, timed_texts=2).scored) == ["good soup"]
    assert list(read_workload(bundle, file, column=None, timed_texts=2).scored) == ["wrong"]


def test_the_error_about_a_bad_row_counts_the_others_and_a_task_that_is_spelled_otherwise_is_named(
    bundle, tmp_path, caplog
):
    file = tmp_path / "rows.csv"
    file.write_text("text,sentiment,Stars\na,good,1\nb,bad,2\nc,positive,3\n", "utf-8")
    with pytest.raises(TableError, match=r"line 2, .* unknown label 'good'.* \(and 1 more bad row\)$"):
        read_workload(bundle, file, column=None, timed_texts=2)
    assert caplog.messages == [
        f"{file}: labels are read from a column 'stars', and there is only 'Stars', which is not read"
    ]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_gives_the_same_texts_for_a_seed_within_its_lengths(profile):
    row, workload = PROFILES[profile], synthetic_workload(profile, WORDS)
    lengths = [len(text.split()) for text in workload.timed]
    assert len(lengths) == row.texts
    assert row.shortest <= min(lengths) <= max(lengths) <= row.longest
    assert workload.timed == synthetic_workload(profile, WORDS).timed
    assert workload.timed != synthetic_workload(profile, WORDS, seed=1).timed


def test_profiles_differ_in_length_and_the_mixed_one_has_a_heavy_tail():
    texts = {name: synthetic_workload(name, WORDS).timed for name in PROFILES}
    lengths = {name: np.array([len(text.split()) for text in of_profile]) for name, of_profile in texts.items()}
    medians = {name: float(np.median(words)) for name, words in lengths.items()}
    assert medians["tweets"] < medians["sentences"] < medians["paragraphs"]
    ordered = np.sort(lengths["mixed"])[::-1]
    assert ordered[: len(ordered) // 10].sum() > ordered.sum() / 3
