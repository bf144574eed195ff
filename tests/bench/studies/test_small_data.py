"""The study on small data: its draws, its support tickets, its figures, and one training end to end."""

import csv
import json
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mtl_bench.report.markdown_table import fill_tables
from mtl_bench.results.files import read_results
from mtl_bench.studies.small_data import command, methods
from mtl_bench.studies.small_data.command import PlannedRun, plan_runs
from mtl_bench.studies.small_data.data_sets import DATA_SETS, SetFiles
from mtl_bench.studies.small_data.methods import FIXED_DEFAULTS, METHODS, TrainingInput, config_text
from mtl_bench.studies.small_data.results import MethodRun, SmallDataResults, TaskScore
from mtl_bench.studies.small_data.sampling import draw_few_shot, draw_proportional
from mtl_bench.studies.small_data.support_tickets import TOPICS, URGENCIES, draw_test_tickets, draw_train_tickets
from mtl_bench.studies.small_data.tables import accuracy_difference, page_tables
from mtl_export.config import Config
from tests.export.tiny import save_encoder

ROOT = Path(__file__).parents[3]

sizes = st.lists(st.integers(2, 60), min_size=2, max_size=9)


def rows_of_classes(sizes):
    """A row for each text; the class of the group, and a second task that alternates in it."""
    return [
        {"text": f"{group} {row}", "topic": f"topic{group}", "mood": f"mood{row % 3}"}
        for group, size in enumerate(sizes)
        for row in range(size)
    ]


@given(sizes, st.integers(0, 5))
def test_each_class_has_its_shots_and_a_quarter_as_many_to_validate_on(sizes, seed):
    split = draw_few_shot(rows_of_classes(sizes), 8, task="topic", seed=seed)
    train, validation = (Counter(row["topic"] for row in rows) for rows in (split.train, split.validation))
    for group, size in enumerate(sizes):
        drawn = min(size, 10)
        assert validation[f"topic{group}"] == drawn // 5
        assert train[f"topic{group}"] == drawn - drawn // 5


def test_the_other_task_is_balanced_within_a_class_and_over_all_rows():
    split = draw_few_shot(rows_of_classes([300] * 4), 8, task="topic", balance="mood", seed=1)
    moods = Counter(row["mood"] for row in split.train)
    assert len(split.train) == 32
    assert max(moods.values()) - min(moods.values()) <= 1


@given(sizes, st.integers(0, 5), st.integers(2, 20))
def test_a_proportional_draw_has_no_label_in_validation_alone(sizes, seed, wanted):
    rows = rows_of_classes([3 * size for size in sizes])
    strata = 3 * len(sizes)
    count = 4 * -(-min(max(4 * wanted, 2 * strata), len(rows) * 2 // 3) // 4)
    if count + count // 4 < 2 * strata or count + count // 4 > len(rows):
        return
    split = draw_proportional(rows, count, tasks=("topic", "mood"), seed=seed)
    assert (len(split.train), len(split.validation)) == (count, count // 4)
    for task in ("topic", "mood"):
        assert {row[task] for row in split.validation} <= {row[task] for row in split.train}
    texts = [row["text"] for row in (*split.train, *split.validation)]
    assert len(set(texts)) == len(texts)


def test_a_proportional_draw_keeps_the_shares_of_the_classes():
    split = draw_proportional(rows_of_classes([600, 300, 100]), 400, tasks=("topic",), seed=0)
    assert Counter(row["topic"] for row in split.train) == {"topic0": 240, "topic1": 120, "topic2": 40}


@given(st.integers(0, 3))
def test_equal_seeds_draw_equal_rows_and_other_seeds_others(seed):
    rows = rows_of_classes([50, 50, 50])
    for draw in (
        lambda seed: draw_few_shot(rows, 8, task="topic", seed=seed),
        lambda seed: draw_proportional(rows, 40, tasks=("topic", "mood"), seed=seed),
    ):
        assert draw(seed) == draw(seed)
        assert draw(seed) != draw(seed + 1)


def sentences(phrases):
    """The longest part of each template that has no slot, in lower case."""
    parts = [max(template.replace("}", "{").split("{"), key=len).strip().lower() for template in phrases]
    assert all(len(part) > 6 for part in parts)
    return parts


def test_training_tickets_have_no_sentence_that_is_kept_for_test_rows():
    unseen = [part for phrases in (*TOPICS.values(), *URGENCIES.values()) for part in sentences(phrases.unseen)]
    texts = [ticket.text.lower() for ticket in draw_train_tickets(400, seed=0)]
    assert not [(part, text) for part in unseen for text in texts if part in text]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_test_tickets_partly_have_sentences_of_their_own(seed):
    train = draw_train_tickets(400, seed=seed)
    test = draw_test_tickets(150, seed=seed, train=train)
    unseen = {name: sentences(phrases.unseen) for name, phrases in {**TOPICS, **URGENCIES}.items()}
    of_topic = [any(part in ticket.text.lower() for part in unseen[ticket.topic]) for ticket in test]
    of_urgency = [any(part in ticket.text.lower() for part in unseen[ticket.urgency]) for ticket in test]
    assert 0.35 < sum(of_topic) / 150 < 0.65
    assert 0.2 < sum(of_urgency) / 150 < 0.46
    assert not {ticket.text for ticket in test} & {ticket.text for ticket in train}
    assert Counter(ticket.urgency for ticket in train).most_common(1)[0][0] == "normal"
    assert test == draw_test_tickets(150, seed=seed, train=train)


def test_a_score_counts_right_answers_and_averages_f1_over_the_labels_that_occur():
    score = TaskScore.of(["a", "b", "b", "a"], ["a", "a", "b", "c"])
    assert score.accuracy == 0.5
    assert score.macro_f1 == pytest.approx((2 * 1 / (2 + 2) + 2 * 1 / (1 + 2) + 0) / 3)
    assert score.correct == "1010"


def a_run(method, correct, seed=0, data_set="trec-coarse-8", **changes):
    accuracy = correct.count("1") / len(correct)
    score = TaskScore(accuracy=accuracy, macro_f1=accuracy, correct=correct)
    fields = {
        "train_rows": 48,
        "validation_rows": 12,
        "test_rows": len(correct),
        "seconds": 12.0,
        "facts": {"torch": "2.13.0", "steps": "90"},
        "measured_at": "2026-01-01T00:00:00+00:00",
        "processor": "a processor",
        "cores": 2,
        **changes,
    }
    tasks = dict.fromkeys(DATA_SETS[data_set].tasks, score)
    return MethodRun(data_set=data_set, seed=seed, method=method, tasks=tasks, **fields)


def test_a_difference_is_the_mean_over_the_seeds_that_both_methods_have():
    own = [a_run("default", "1111", 0), a_run("default", "1110", 1), a_run("default", "0000", 2)]
    other = [a_run("probe", "1100", 0), a_run("probe", "1100", 1)]
    interval = accuracy_difference(own, other, "coarse")
    assert interval.difference == 37.5  # 50 and 25 points
    assert interval.low <= 37.5 <= interval.high
    assert accuracy_difference(own, own, "coarse").low == accuracy_difference(own, own, "coarse").high == 0


def test_a_table_marks_the_methods_that_are_better_than_ours():
    below = SmallDataResults(runs=(a_run("default", "1000"), a_run("probe", "1100"), a_run("fixed", "1000")))
    head, _, row = page_tables(below)["differences"].splitlines()
    assert "| **-25.0 (" in row
    assert row.endswith("| +0.0 (+0.0 to +0.0) |")
    assert "SetFit" not in head  # it has no run


def test_what_is_in_the_results_file_is_not_run_again_and_setfit_runs_on_few_shots_alone():
    sets, methods = ("trec-coarse-8", "vader"), ("probe", "setfit")
    results = SmallDataResults(runs=(a_run("probe", "1", 1),))
    assert list(plan_runs(results, sets=sets, methods=methods, seeds=(0, 1))) == [
        PlannedRun("trec-coarse-8", 0, "probe"),
        PlannedRun("trec-coarse-8", 0, "setfit"),
        PlannedRun("trec-coarse-8", 1, "setfit"),
        PlannedRun("vader", 0, "probe"),
        PlannedRun("vader", 1, "probe"),
    ]


@pytest.mark.parametrize("training", [{}, FIXED_DEFAULTS], ids=["all defaults", "fixed defaults"])
def test_the_study_writes_configs_that_mtl_train_reads(training, tmp_path):
    files = SetFiles(train=tmp_path / "train.csv", validation=None, test=tmp_path / "test.csv")
    given = TrainingInput(encoder=tmp_path, tasks=("topic", "urgency"), files=files, seed=3, folder=tmp_path)
    config = Config.from_dict(tomllib.loads(config_text(given, training)))
    assert list(config.tasks) == ["topic", "urgency"]
    assert config.data.sources[0].holdout == 0.1
    assert config.training.seed == 3
    assert {name: getattr(config.training, name) for name in training} == dict(training)


@pytest.fixture
def prepared(tmp_path):
    """A folder as examples/vader/prepare.py leaves it, with a tiny encoder and one small file."""
    save_encoder(tmp_path / "encoder", max_position_embeddings=160)
    (tmp_path / "data").mkdir()
    for split, count in (("train", 90), ("test", 12)):
        with (tmp_path / "data" / f"trec_{split}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "question", "fine"])
            words = ("good", "bad", "plain")
            writer.writerows([f"{words[row % 3]} film {row}", words[row % 3], words[row % 3]] for row in range(count))
    return tmp_path


def test_the_command_trains_in_a_fresh_process_and_adds_the_run_to_its_file(prepared):
    output = prepared / "results.json"
    output.write_text(json.dumps({"schema_version": 1, "runs": []}))
    arguments = [str(prepared), "-o", str(output), "--sets", "trec-coarse-8", "--methods", "default", "--seeds", "4"]
    done = CliRunner().invoke(command.main, arguments)
    assert done.exit_code == 0, done.output
    (run,) = read_results(SmallDataResults, output).runs
    assert (run.data_set, run.seed, run.method) == ("trec-coarse-8", 4, "default")
    assert (run.train_rows, run.validation_rows, run.test_rows) == (24, 6, 12)
    assert len(run.tasks["coarse"].correct) == 12
    assert run.tasks["coarse"].accuracy == run.tasks["coarse"].correct.count("1") / 12
    assert run.facts["torch"]
    assert str(prepared) not in output.read_text()


def test_a_training_that_fails_ends_the_study_with_the_reason(prepared):
    (prepared / "encoder" / "model.safetensors").unlink()
    arguments = [str(prepared), "-o", str(prepared / "results.json"), "--sets", "trec-coarse-8", "--methods", "default"]
    done = CliRunner().invoke(command.main, arguments)
    assert done.exit_code == 1
    assert "a training ended with exit code 2: error: " in done.output


_PEER = """
import json, sys
request = json.load(open(sys.argv[1]))
answer = {task: [of_task[0]] * len(request["texts"]) for task, of_task in request["train_labels"].items()}
json.dump({"labels": answer, "facts": {"method": request["method"]}}, open(sys.argv[2], "w"))
"""


def test_a_peer_answers_in_the_interpreter_of_its_environment(prepared, monkeypatch):
    (prepared / "peer.py").write_text(_PEER)
    monkeypatch.setattr(methods, "_PEER_PYTHON", Path(sys.executable))
    monkeypatch.setattr(methods, "_PEER_SCRIPT", prepared / "peer.py")
    output = prepared / "results.json"
    arguments = [str(prepared), "-o", str(output), "--sets", "trec-coarse-8", "--methods", "setfit", "--seeds", "0"]
    done = CliRunner().invoke(command.main, arguments)
    assert done.exit_code == 0, done.output
    (run,) = read_results(SmallDataResults, output).runs
    assert run.facts == {"method": "setfit"}
    assert run.tasks["coarse"].accuracy == pytest.approx(4 / 12)


def test_a_missing_environment_is_named_with_the_command_that_makes_it(prepared, monkeypatch):
    monkeypatch.setattr(methods, "_PEER_PYTHON", prepared / "missing")
    arguments = [str(prepared), "-o", str(prepared / "results.json"), "--sets", "trec-coarse-8", "--methods", "probe"]
    done = CliRunner().invoke(command.main, arguments)
    assert done.exit_code == 1
    assert "run benchmarks/peers/install.py torch" in done.output


@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_name_is_answered_with_the_known_ones(method, tmp_path):
    done = CliRunner().invoke(command.main, [str(tmp_path), "-o", "results.json", "--methods", f"{method}s"])
    assert done.exit_code == 2
    assert f"there is no '{method}s'" in done.output


def test_the_page_holds_the_tables_of_its_results_file():
    results = read_results(SmallDataResults, ROOT / "benchmarks" / "results" / "small_data.json")
    page = (ROOT / "docs" / "small-data.md").read_text("utf-8")
    assert fill_tables(page, page_tables(results)) == page, "run `make small-data`"
