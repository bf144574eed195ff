"""What ``mtl evaluate`` prints and writes."""

import json
import re

import pytest
from click.testing import CliRunner

from mtl_runtime.cli.evaluate import evaluate

GOOD, BAD = "text,sentiment,stars\n", "a bad match,positive,4\n"


@pytest.fixture
def labelled(tmp_path):
    file = tmp_path / "unseen.csv"
    file.write_text(GOOD + "a great soup,positive,9\n" * 30 + BAD * 3)
    return file


def run(*arguments):
    return CliRunner().invoke(evaluate, [str(argument) for argument in arguments])


def test_the_figures_come_first_with_rows_interval_and_majority(bundle_path, labelled):
    output = run(bundle_path, labelled, "--variant", "cpu-fp32").output
    assert "(33 rows, answered by cpu-fp32)" in output
    assert output.index("95 % interval") < output.index("most frequent confusions") < output.index("wrong answers")
    assert re.search(r"accuracy +0\.909 +0\.764 to 0\.969 +1\.000", output)


def test_a_line_says_what_is_gained_by_keeping_the_likely_answers(bundle_path, labelled):
    output = run(bundle_path, labelled, "--variant", "cpu-fp32").output
    assert "sentiment: of the 91 % of answers with a probability of at least" in output
    assert "100 % are right; of the others, 0 %" in output


@pytest.mark.parametrize(("most", "shown"), [(0, 0), (2, 2), (10, 3)])
def test_as_many_wrong_answers_are_shown_as_were_asked_for(bundle_path, labelled, most, shown):
    output = run(bundle_path, labelled, "--variant", "cpu-fp32", "--wrong", most).output
    assert output.partition("sentiment: wrong")[2].partition("stars:")[0].count("a bad match") == shown


def test_json_holds_every_figure_and_every_wrong_answer(bundle_path, labelled):
    content = json.loads(run(bundle_path, labelled, "--variant", "cpu-fp32", "--json").stdout)
    sentiment = content["tasks"]["sentiment"]
    assert sentiment["scores"]["accuracy"]["majority"] == 1.0
    assert [wrong["line"] for wrong in sentiment["wrong"]] == [32, 33, 34]


def test_an_output_is_written_and_not_replaced_unasked(bundle_path, labelled, tmp_path):
    target = tmp_path / "wrong.csv"
    assert "wrong answers written to" in run(bundle_path, labelled, "-o", target).output
    assert target.read_text().startswith("task,line,text,truth,answer,probability,error\nsentiment,32,a bad match")
    assert run(bundle_path, labelled, "-o", target).exception is not None
    assert run(bundle_path, labelled, "-o", target, "--force").exit_code == 0


def test_another_bundle_is_compared_task_by_task(bundle_path, labelled):
    output = run(bundle_path, labelled, "--variant", "cpu-fp32", "--against", bundle_path).output
    table = output.partition("Compared with cpu-fp32 of")[2]
    assert re.search(r"cpu-fp32 +sentiment +accuracy +0\.909 +0\.909 +±0\.00 +±0\.00 to ±0\.00 +100\.00 %", table)
    assert "not certain to hold 0.5 points with 33 sentences" in " ".join(table.split())


def test_json_holds_the_comparison(bundle_path, labelled):
    done = run(bundle_path, labelled, "--variant", "cpu-fp32", "--against", bundle_path, "--budget", 3, "--json")
    against = json.loads(done.stdout)["against"]
    assert against["tasks"]["sentiment"]["budget"] == 3
    assert against["against"] == str(bundle_path)
