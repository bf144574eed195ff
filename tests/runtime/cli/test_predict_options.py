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
    "sources": (),
    "texts": (),
    "column": "text",
    "prefix": "",
    **dict.fromkeys(("probabilities", "explain", "resume", "force", "as_json"), False),
}
FILE = {"sources": ("in.csv",), "output_name": "out.csv"}


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
        {"sources": ("-",)},
        {"sources": ("-",), "output_name": "out.csv", "as_json": True},
        {**FILE, "resume": True, "rejects_name": "bad.jsonl"},
        {**FILE, "force": True, "rejects_name": "bad.jsonl", "on_bad_row": "skip"},
        {**FILE, "on_bad_row": "error"},
        {"sources": ("a.csv", "s3://b/c"), "output_name": "s3://b/out", "engine": "local", "processes": 2},
        {**FILE, "engine": "ray:auto", "shard_rows": 9, "attempts": 1, "resume": True},
        {"bundle": None, "status": "out"},
        {"bundle": None, "check": "s3://bucket/out", "as_json": True},
    ],
)
def test_options_that_fit_together_are_accepted(changes):
    assert options(**changes).sources == changes.get("sources", ())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "give either INPUT"),
        ({"sources": ("-",), "texts": ("x",)}, "give either INPUT"),
        ({"sources": ("-",), "as_json": True}, "--json is for --text, or for the summary of a file"),
        ({**FILE, "explain": True}, "--explain is for single texts"),
        ({"texts": ("x",), "output_name": "out.csv"}, "--text prints its answers"),
        ({"texts": ("x",), "rejects_name": "bad.jsonl"}, "--text prints its answers"),
        ({**FILE, "aggregate": "max"}, "--aggregate is for --long-text windows"),
        ({**FILE, "aggregate": "max", "long_text": "truncate"}, "--aggregate is for --long-text windows"),
        ({"texts": ("x",), "resume": True}, "--resume is for a job from an INPUT file to an OUTPUT file"),
        ({"sources": ("-",), "output_name": "out.csv", "resume": True}, "a stream cannot be resumed"),
        ({"sources": ("in.csv",), "resume": True}, "a stream cannot be resumed"),
        ({**FILE, "resume": True, "force": True}, "--resume continues a job and --force starts it over; choose one"),
        ({**FILE, "rejects_name": "bad.jsonl", "on_bad_row": "error"}, "--rejects writes bad rows to a file"),
        ({**FILE, "bundle": None}, "Missing argument 'BUNDLE'"),
        ({"sources": ("a.csv", "b.csv"), "output_name": "out"}, "add --on, such as --on local"),
        ({**FILE, "processes": 2}, "--processes is for a job on an engine: add --on"),
        ({**FILE, "shard_rows": 2}, "--shard-rows is for a job on an engine"),
        ({**FILE, "attempts": 2}, "--attempts is for a job on an engine"),
        ({**FILE, "engine": "ray", "processes": 2}, "--processes is for --on local"),
        ({"sources": ("in.csv",), "engine": "local"}, "to an OUTPUT folder"),
        ({"sources": ("-",), "output_name": "out", "engine": "local"}, "to an OUTPUT folder"),
        ({"status": "out"}, "stand alone"),
        ({"bundle": None, "status": "out", "check": "out"}, "stand alone"),
        ({"bundle": None, "check": "out", "engine": "local"}, "stand alone"),
    ],
)
def test_options_that_exclude_each_other_are_refused_with_the_reason(changes, message):
    with pytest.raises(click.UsageError) as caught:
        options(**changes)
    assert message in caught.value.message
    assert caught.value.exit_code == 2
