"""The options of ``mtl predict``: those that exclude each other are refused, the others arrive as they are."""

from dataclasses import fields
from pathlib import Path

import click
import pytest

from mtl_runtime.cli.predict import predict
from mtl_runtime.cli.predict_options import PredictOptions

DEFAULTS = {
    **dict.fromkeys(field.name for field in fields(PredictOptions)),
    "bundle": Path("bundle"),
    "texts": (),
    "column": "text",
    "prefix": "",
    **dict.fromkeys(("probabilities", "explain", "resume", "force", "as_json"), False),
}
FILE = {"source": "in.csv", "output": Path("out.csv")}


def options(**changes):
    return PredictOptions(**{**DEFAULTS, **changes})


def test_each_parameter_of_the_command_is_a_field():
    assert [parameter.name for parameter in predict.params] == list(dict.fromkeys(p.name for p in predict.params))
    assert {parameter.name for parameter in predict.params} == {field.name for field in fields(PredictOptions)}


def test_tasks_are_split_at_commas_and_absent_tasks_mean_all():
    assert options(texts=("x",), tasks="topics, stars").task_names == ["topics", "stars"]
    assert options(texts=("x",)).task_names is None


def test_only_options_that_were_given_are_arguments_of_load():
    assert options(texts=("x",)).load_arguments == {}
    given = {"variant": "cpu-int8", "threads": 2, "workers": 1, "max_batch_tokens": 64}
    windows = {"long_text": "windows", "aggregate": "max"}
    assert options(texts=("x",), **given, **windows).load_arguments == {**given, **windows}


@pytest.mark.parametrize(
    "changes",
    [
        {"texts": ("x",), "explain": True, "as_json": True},
        {"source": "-"},
        {"source": "-", "output": Path("out.csv"), "as_json": True},
        {**FILE, "resume": True, "rejects": Path("bad.jsonl")},
        {**FILE, "force": True, "rejects": Path("bad.jsonl"), "on_bad_row": "skip"},
        {**FILE, "on_bad_row": "error"},
    ],
)
def test_options_that_fit_together_are_accepted(changes):
    assert options(**changes).source == changes.get("source")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "give either INPUT"),
        ({"source": "-", "texts": ("x",)}, "give either INPUT"),
        ({"source": "-", "as_json": True}, "--json is for --text, or for the summary of a file"),
        ({**FILE, "explain": True}, "--explain is for single texts"),
        ({"texts": ("x",), "output": Path("out.csv")}, "--text prints its answers"),
        ({"texts": ("x",), "rejects": Path("bad.jsonl")}, "--text prints its answers"),
        ({**FILE, "aggregate": "max"}, "--aggregate is for --long-text windows"),
        ({**FILE, "aggregate": "max", "long_text": "truncate"}, "--aggregate is for --long-text windows"),
        ({"texts": ("x",), "resume": True}, "--resume is for a job from an INPUT file to an OUTPUT file"),
        ({"source": "-", "output": Path("out.csv"), "resume": True}, "a stream cannot be resumed"),
        ({"source": "in.csv", "resume": True}, "a stream cannot be resumed"),
        ({**FILE, "resume": True, "force": True}, "--resume continues a job and --force starts it over; choose one"),
        ({**FILE, "rejects": Path("bad.jsonl"), "on_bad_row": "error"}, "--rejects writes bad rows to a file"),
    ],
)
def test_options_that_exclude_each_other_are_refused_with_the_reason(changes, message):
    with pytest.raises(click.UsageError) as caught:
        options(**changes)
    assert message in caught.value.message
    assert caught.value.exit_code == 2
