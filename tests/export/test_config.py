"""TOML to Config: shorthands, paths, and one clear error for each mistake."""

import contextlib
import copy
import math
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mtl_export.config import Config, read_gate
from mtl_export.errors import ConfigError
from mtl_runtime.bundle.gate_config import GateConfig
from mtl_runtime.errors import MtlError

FULL = {
    "encoder": {"model": "org/encoder", "pooling": "cls", "max_length": 64},
    "tasks": {
        "sentiment": {"labels": ["bad", "good"], "class_weights": {"bad": 2.0, "good": 1.0}},
        "tags": {"kind": "multi_label", "head": "mlp", "class_weights": "balanced"},
        "stars": {"kind": "regression", "column": "rating", "loss_weight": 0.5},
    },
    "data": {
        "temperature": 2.0,
        "sources": [
            {"train": ["a.csv", "b.csv"], "validation": ["v.csv"]},
            {"text": "body", "train": "c.tsv", "validation": "w.tsv", "test": "t.tsv", "tasks": ["tags"]},
        ],
    },
    "training": {"epochs": 1, "early_stopping": 2, "loss_weighting": "uncertainty"},
    "gate": {"max_metric_drop": 0.25, "tasks": {"stars": {"max_logit_difference": 0.01}}},
}
# Where each table of FULL lies, and the keys that are legal there although FULL does not use them.
TABLES = {
    (): [],
    ("encoder",): [],
    ("tasks", "sentiment"): ["kind", "column", "head", "dropout", "label_smoothing", "loss_weight"],
    ("data",): ["bad_rows", "text", "train", "validation", "holdout", "test", "tasks"],
    ("data", "sources", 0): ["text", "holdout", "test", "tasks"],
    ("training",): [
        "batch_size",
        "gradient_accumulation",
        "encoder_learning_rate",
        "head_learning_rate",
        "warmup",
        "weight_decay",
        "max_gradient_norm",
        "freeze_encoder",
        "freeze_layers",
        "precision",
        "seed",
        "checkpoint_steps",
    ],
    ("gate",): ["budget", "max_logit_difference"],
    ("gate", "tasks", "stars"): ["max_metric_drop"],
}


def table(data, path):
    for key in path:
        data = data[key]
    return data


def changed(path, **changes):
    """FULL with ``changes`` made to the table at ``path``."""
    data = copy.deepcopy(FULL)
    table(data, path).update(changes)
    return data


def small(**changes):
    return {"tasks": {"tone": {}}, "data": {"train": "a.csv", "validation": "b.csv"}, **changes}


def problem_of(data, folder=Path("/base")):
    with pytest.raises(ConfigError) as caught:
        Config.from_dict(data, folder=folder, where="my.toml")
    message = str(caught.value)
    assert message.startswith("my.toml: ")
    assert "\n" not in message
    return message.removeprefix("my.toml: ")


def test_a_full_config_keeps_its_values_and_the_order_of_its_tasks():
    config = Config.from_dict(FULL, folder=Path("/base"))
    assert list(config.tasks) == ["sentiment", "tags", "stars"]
    assert config.tasks["sentiment"].class_weights == {"bad": 2.0, "good": 1.0}
    assert config.tasks["tags"].kind == "multi_label"
    assert config.tasks["stars"].column == "rating"
    assert config.encoder is not None
    assert (config.encoder.model, config.encoder.pooling, config.encoder.max_length) == ("org/encoder", "cls", 64)
    assert config.training.early_stopping == 2
    assert config.data.temperature == 2.0
    assert config.data.sources[1].tasks == ("tags",)


def test_a_data_table_without_sources_is_shorthand_for_one_source():
    source = {"text": "body", "train": "a.csv", "validation": ["v.csv"], "test": "t.csv", "tasks": ["tone"]}
    short = Config.from_dict(small(data={**source, "bad_rows": "skip"}))
    long = Config.from_dict(small(data={"sources": [source], "bad_rows": "skip"}))
    assert short == long
    assert short.data.bad_rows == "skip"
    assert len(short.data.sources) == 1


def test_a_data_table_with_both_a_source_and_sources_is_refused():
    both = {"train": "a.csv", "sources": [{"train": "a.csv", "validation": "b.csv"}]}
    assert problem_of(small(data=both)) == "data: train belong into [[data.sources]] when there are sources"


@pytest.mark.parametrize("sources", [{"train": "a.csv"}, "a.csv", ["a.csv"], 3])
def test_sources_that_are_no_tables_are_refused(sources):
    assert problem_of(small(data={"sources": sources})).startswith("data.sources: write each source as a table")


def test_a_config_without_sources_is_refused():
    assert problem_of(small(data={})) == "data.sources: at least one source is needed"


def test_relative_paths_are_meant_from_the_folder_of_the_config(tmp_path, monkeypatch):
    (tmp_path / "project" / "my-encoder").mkdir(parents=True)
    file = tmp_path / "project" / "my.toml"
    file.write_text(
        '[encoder]\nmodel = "my-encoder"\n[tasks.tone]\n'
        '[data]\ntrain = ["sub/a.csv", "/abs/b.csv"]\nvalidation = "../v.csv"\n'
    )
    monkeypatch.chdir(tmp_path)
    config = Config.from_toml("project/my.toml")
    source = config.data.sources[0]
    assert source.train == (str(tmp_path / "project/sub/a.csv"), "/abs/b.csv")
    assert [Path(name).resolve() for name in source.validation] == [tmp_path.resolve() / "v.csv"]
    assert config.encoder is not None
    assert config.encoder.model == str(tmp_path / "project/my-encoder")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("org/encoder", "org/encoder"),  # a hub id: there is no such folder
        ("./new", "{folder}/new"),
        ("../up", "{parent}/up"),
        ("/abs/enc", "/abs/enc"),
    ],
)
def test_only_what_looks_like_a_path_or_is_a_folder_becomes_an_absolute_encoder_path(tmp_path, written, read):
    config = Config.from_dict(small(encoder={"model": written}), folder=tmp_path)
    assert config.encoder is not None
    assert config.encoder.model == read.format(folder=tmp_path, parent=tmp_path.parent)


def test_a_path_below_the_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = Config.from_dict(small(encoder={"model": "~/enc"}), folder=Path("/elsewhere"))
    assert config.encoder is not None
    assert config.encoder.model == str(tmp_path / "enc")


@pytest.mark.parametrize(
    ("path", "key", "message"),
    [
        ((), "trainning", "trainning: unknown key; did you mean 'training'?"),
        (("encoder",), "poolin", "encoder.poolin: unknown key; did you mean 'pooling'?"),
        (("tasks", "stars"), "loss_wieght", "tasks.stars.loss_wieght: unknown key; did you mean 'loss_weight'?"),
        (("data",), "temprature", "data.temprature: unknown key; did you mean 'temperature'?"),
        (("data", "sources", 1), "valdation", "data.sources[1].valdation: unknown key; did you mean 'validation'?"),
        (("training",), "epoch", "training.epoch: unknown key; did you mean 'epochs'?"),
        (
            ("gate", "tasks", "stars"),
            "max_logit_diff",
            "gate.tasks.stars.max_logit_diff: unknown key; did you mean 'max_logit_difference'?",
        ),
    ],
)
def test_an_unknown_key_names_its_place_and_the_nearest_known_key(path, key, message):
    assert problem_of(changed(path, **{key: 1})) == message


@pytest.mark.parametrize(
    ("key", "near"), [("trian", "train"), ("vlidation", "validation"), ("txt", "text"), ("bad_row", "bad_rows")]
)
def test_an_unknown_key_of_the_shorthand_names_the_nearest_key_of_source_or_data(key, near):
    data = {"train": "a.csv", "validation": "b.csv", key: "x"}
    assert problem_of(small(data=data)) == f"data.{key}: unknown key; did you mean '{near}'?"


def test_an_unknown_key_of_the_gates_shorthand_names_the_nearest():
    message = problem_of(small(gate={"max_metric_dropp": 1.0}))
    assert message == "gate.max_metric_dropp: unknown key; did you mean 'max_metric_drop'?"


names = st.text(st.characters(codec="utf-8", categories=["Ll", "Nd", "Pc"]), min_size=1, max_size=14)


@given(st.sampled_from(sorted(TABLES, key=str)), names, st.one_of(st.integers(), st.text(), st.just({}), st.just([])))
def test_any_unknown_key_in_any_table_is_an_error_that_names_it(path, key, value):
    assume(key not in {*table(FULL, path), *TABLES[path]})
    message = problem_of(changed(path, **{key: value}))
    assert key in message
    assert "unknown key" in message


@given(names)
def test_a_key_one_letter_away_is_recognized(letter):
    for key in ("epochs", "batch_size", "head_learning_rate"):
        message = problem_of(changed(("training",), **{f"{key}{letter[0]}": 1}))
        assert f"did you mean '{key}'" in message


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("path", "key", "values"),
    [
        (("encoder",), "max_length", [2, 0, -1, 1.5, "128", True]),
        (("encoder",), "pooling", ["avg", None, 1]),
        (("encoder",), "model", [1, None]),
        (("tasks", "sentiment"), "kind", ["binary", ""]),
        (("tasks", "sentiment"), "head", ["deep"]),
        (("tasks", "sentiment"), "dropout", [-0.1, 1.0, 2, NAN]),
        (("tasks", "sentiment"), "label_smoothing", [-0.1, 1.0, NAN]),
        (("tasks", "sentiment"), "loss_weight", [0.0, -1.0, NAN, INF]),
        (("tasks", "sentiment"), "labels", ["good", [1, 2]]),
        (("tasks", "sentiment"), "class_weights", ["even", {"bad": 0.0, "good": 0.0}]),
        (("tasks", "sentiment", "class_weights"), "bad", [-1.0, NAN, INF, "2"]),
        (("data",), "temperature", [0.99, 0, -1, NAN, INF]),
        (("data",), "bad_rows", ["ignore"]),
        (("data",), "max_text_bytes", [0, -1, 1.5, "1"]),
        (("tasks", "sentiment"), "fold_labels", [1, "yes"]),
        (("tasks", "sentiment"), "missing", ["N/A", [1], ["bad"]]),
        (("data", "sources", 0), "train", [5, {"a": 1}, [1], None]),
        (("data", "sources", 0), "tasks", [["mood"], "tags"]),
        (("data", "sources", 0), "holdout", [1.0, -0.1, NAN, "0.1"]),
        (("training",), "epochs", [0, -1, 1.0]),
        (("training",), "batch_size", [0]),
        (("training",), "gradient_accumulation", [0]),
        (("training",), "encoder_learning_rate", [0.0, -1e-5, NAN, INF]),
        (("training",), "head_learning_rate", [0, NAN]),
        (("training",), "max_gradient_norm", [0.0, -1.0, NAN]),
        (("training",), "weight_decay", [-0.01, NAN, INF]),
        (("training",), "warmup", [-0.1, 1.0, NAN]),
        (("training",), "loss_weighting", ["dynamic"]),
        (("training",), "precision", ["int8"]),
        (("training",), "freeze_encoder", [1, "yes"]),
        (("training",), "freeze_layers", [-1]),
        (("training",), "early_stopping", [0, -1]),
        (("training",), "checkpoint_steps", [-1]),
        (("training",), "seed", [-1, 2**32, 0.5]),
        (("gate",), "max_metric_drop", [-0.5, NAN, INF, "0.5"]),
        (("gate", "tasks", "stars"), "max_logit_difference", [-1e-4, NAN, INF]),
    ],
)
def test_an_impossible_value_is_an_error_that_names_its_key(path, key, values):
    for value in values:
        assert key in problem_of(changed(path, **{key: value})).partition(": ")[0], value


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("encoder",), "max_length", 3),
        (("tasks", "sentiment"), "dropout", 0),
        (("tasks", "sentiment"), "label_smoothing", 0.0),
        (("tasks", "sentiment", "class_weights"), "bad", 0.0),
        (("data",), "temperature", 1),
        (("training",), "seed", 2**32 - 1),
        (("training",), "weight_decay", 0.0),
        (("training",), "warmup", 0.0),
        (("gate",), "max_metric_drop", 0),
    ],
)
def test_the_last_possible_value_is_accepted(path, key, value):
    assert Config.from_dict(changed(path, **{key: value})).tasks


@pytest.mark.parametrize(("section", "key"), [("encoder", "model"), ("data", "train")])
def test_a_missing_required_key_is_named(section, key):
    complete = small(encoder={"model": "org/encoder"})
    lacking = {name: value for name, value in complete[section].items() if name != key}
    if section == "encoder":
        lacking["max_length"] = 64
    message = problem_of({**complete, section: lacking})
    assert message.endswith(f".{key}: this key is required and missing")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"train": "a.csv"}, "data.validation: name validation files, or hold a share"),
        (
            {"train": "a.csv", "validation": "b.csv", "holdout": 0.1},
            "data.validation: validation files and a holdout are both given; keep one",
        ),
        ({"train": "a.csv", "holdout": 10}, "data.holdout: 10 is not a share of the rows; write 0.1 for a tenth"),
        ({"sources": [{"train": "a.csv"}]}, "data.sources[0].validation: name validation files"),
    ],
)
def test_a_source_has_either_validation_files_or_a_holdout(data, message):
    assert problem_of(small(data=data)).startswith(message)


def test_a_holdout_stands_in_for_validation_files():
    config = Config.from_dict(small(data={"train": "a.csv", "holdout": 0.1}))
    assert (config.data.sources[0].holdout, config.data.sources[0].validation) == (0.1, ())


def test_a_config_without_a_task_or_without_data_is_refused():
    assert problem_of(small(tasks={})).startswith("tasks: at least one task is needed")
    assert problem_of({"tasks": {"tone": {}}}) == "data: this key is required and missing"


@pytest.mark.parametrize(
    "extra", [{"labels": ["a", "b"]}, {"fold_labels": True}, {"class_weights": "balanced"}, {"label_smoothing": 0.1}]
)
def test_a_regression_refuses_what_only_classes_have(extra):
    message = problem_of(small(tasks={"stars": {"kind": "regression", **extra}}))
    assert message == "tasks.stars.kind: a regression has no labels, fold_labels, class_weights or label_smoothing"


@pytest.mark.parametrize("weights", [{"bad": 1.0}, {"bad": 1.0, "good": 1.0, "fine": 1.0}, {"bad": 1.0, "god": 1.0}])
def test_class_weights_must_name_exactly_the_labels(weights):
    message = problem_of(changed(("tasks", "sentiment"), class_weights=weights))
    assert message.startswith("tasks.sentiment.class_weights: needs exactly one weight for each of bad, good")


@pytest.mark.parametrize(("written", "near"), [("Good", "good"), ("god", "good"), (" bad", "bad"), ("BAD", "bad")])
def test_a_label_with_a_weight_that_is_misspelt_is_answered_with_the_nearest(written, near):
    weights = {"bad": 1.0, "good": 1.0}
    del weights[near]
    message = problem_of(changed(("tasks", "sentiment"), class_weights={**weights, written: 2.0}))
    assert message.endswith(f"; {written!r} is none of them; did you mean {near!r}?")


def test_labels_that_fold_labels_would_make_one_are_refused():
    message = problem_of(small(tasks={"tone": {"labels": ["good", "Good"], "fold_labels": True}}))
    assert message == "tasks.tone.labels: fold_labels = true makes 'good' and 'Good' one; name one"


@pytest.mark.parametrize("tasks", [{"text": {}}, {"tone": {"column": "text"}}])
def test_the_column_of_the_texts_cannot_hold_labels(tasks):
    (name,) = tasks
    message = problem_of(small(tasks=tasks))
    assert message == f"tasks.{name}.column: 'text' is the column of the texts; name that of the labels"


def test_class_weights_of_labels_still_unknown_are_left_to_the_data():
    config = Config.from_dict(small(tasks={"tone": {"class_weights": {"a": 1, "b": 3}}}))
    assert config.tasks["tone"].class_weights == {"a": 1.0, "b": 3.0}


def test_gate_budgets_are_for_all_tasks_or_for_one():
    gate = Config.from_dict(FULL).gate
    assert (gate.budget.max_logit_difference, gate.budget.max_metric_drop) == (None, 0.25)
    assert list(gate.tasks) == ["stars"]
    assert (gate.tasks["stars"].max_logit_difference, gate.tasks["stars"].max_metric_drop) == (0.01, None)


def test_the_gates_shorthand_equals_its_long_form():
    long = {"budget": {"max_metric_drop": 0.25}, "tasks": {"stars": {"max_logit_difference": 0.01}}}
    assert Config.from_dict({**FULL, "gate": long}) == Config.from_dict(FULL)


def test_a_gate_budget_of_an_unknown_task_is_refused():
    message = problem_of(changed(("gate",), tasks={"star": {"max_metric_drop": 1.0}}))
    assert message == "gate.tasks.star: no such task; known: sentiment, tags, stars"


def test_a_source_with_an_unknown_task_is_refused():
    message = problem_of(changed(("data", "sources", 1), tasks=["tag"]))
    assert message == "data.sources[1].tasks: no task 'tag'; known: sentiment, tags, stars"


def test_broken_toml_names_the_file_and_the_line(tmp_path):
    file = tmp_path / "broken.toml"
    file.write_text('[encoder]\nmodel = "x"\npooling = = "mean"\n')
    with pytest.raises(ConfigError, match=r"broken\.toml is not valid TOML: .*line 3"):
        Config.from_toml(file)


@pytest.mark.parametrize("line", ["epochs = 1" + "0" * 5000, "epochs = " + "[" * 5000 + "]" * 5000])
def test_toml_beyond_what_a_parser_reads_is_one_line(tmp_path, line):
    file = tmp_path / "deep.toml"
    file.write_text(f"[training]\n{line}\n")
    with pytest.raises(ConfigError, match=r"deep\.toml is not valid TOML: "):
        Config.from_toml(file)


def test_a_key_given_twice_names_the_line(tmp_path):
    file = tmp_path / "twice.toml"
    file.write_text("[training]\nepochs = 1\nepochs = 2\n")
    with pytest.raises(ConfigError, match=r"twice\.toml is not valid TOML: .*line 3"):
        Config.from_toml(file)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path):
    file = tmp_path / "latin.toml"
    file.write_bytes("[tasks.caf\xe9]\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.toml is not valid TOML: line 1: byte 0xe9 is not UTF-8; save it as"):
        Config.from_toml(file)
    file.write_text("[tasks.tone]\n", "utf-16")
    with pytest.raises(ConfigError, match=r"latin\.toml is not valid TOML: it is UTF-16; save it as UTF-8"):
        Config.from_toml(file)


def test_a_byte_order_mark_before_a_config_is_skipped(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[tasks.tone]\n[data]\ntrain = "a.csv"\nholdout = 0.1\n[gate]\n', "utf-8-sig")
    assert list(Config.from_toml(file).tasks) == ["tone"]
    assert read_gate(file) == GateConfig()


def test_a_url_in_place_of_a_data_file_says_what_to_do():
    message = problem_of(changed(("data", "sources", 0), train=["https://example.org/a.csv"]))
    assert message.endswith("https://example.org/a.csv is a URL; download the file and name it here")


def test_a_gate_budget_may_be_of_one_precision_and_of_one_task_in_it():
    gate = {"int8": {"min_agreement": 0.9, "tasks": {"tags": {"min_agreement": 0.8}}}, "max_metric_drop": 1.0}
    read = Config.from_dict(changed(("gate",), **gate)).gate
    assert read.budget.max_metric_drop == 1.0
    assert read.precisions["int8"].budget.min_agreement == 0.9
    assert read.precisions["int8"].tasks["tags"].min_agreement == 0.8


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        (
            {"int4": {"min_agreement": 0.9}},
            "gate.int4: unknown key; the precisions are fp32, fp16, bf16, int8",
        ),
        ({"int8": {"min_agrement": 0.9}}, "gate.int8.min_agrement: unknown key; did you mean 'min_agreement'?"),
        ({"int8": {"min_agreement": 90}}, "gate.int8.min_agreement: 90.0 is not a share; write 0.99 for 99 %"),
        ({"int8": 0.9}, "gate.int8: expected a table of keys, found float 0.9"),
        (
            {"tasks": {"budget": {"min_agreement": 7}}},
            "gate.tasks.budget.min_agreement: 7.0 is not a share; write 0.99 for 99 %",
        ),
        (
            {"fp16": {"tasks": {"star": {"max_metric_drop": 1.0}}}},
            "gate.fp16.tasks.star: no such task; known: sentiment, tags, stars",
        ),
    ],
)
def test_a_wrong_budget_of_a_precision_is_named_as_it_is_written(gate, message):
    assert problem_of(changed(("gate",), **gate)) == message


@pytest.mark.parametrize("read", [Config.from_toml, read_gate])
def test_a_missing_file_and_a_folder_are_named(tmp_path, read):
    with pytest.raises(ConfigError, match=r"no\.toml cannot be read: No such file"):
        read(tmp_path / "no.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read(tmp_path)


def test_a_wrong_key_in_a_file_names_file_and_place(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text('[tasks.tone]\nhed = "mlp"\n[data]\ntrain = "a.csv"\nvalidation = "b.csv"\n')
    with pytest.raises(ConfigError, match=r"my\.toml: tasks\.tone\.hed: unknown key; did you mean 'head'\?"):
        Config.from_toml(file)


def test_the_gate_section_is_read_alone(tmp_path):
    file = tmp_path / "gate.toml"
    file.write_text("[other]\nx = 1\n[gate]\nmax_metric_drop = 2.0\n[gate.tasks.tone]\nmax_logit_difference = 0.5\n")
    gate = read_gate(file)
    assert gate.budget.max_metric_drop == 2.0
    assert gate.tasks["tone"].max_logit_difference == 0.5


def test_a_file_without_a_gate_section_or_with_a_wrong_key_in_it_is_refused(tmp_path):
    file = tmp_path / "gate.toml"
    file.write_text("[training]\nepochs = 1\n")
    with pytest.raises(ConfigError, match=r"gate\.toml has no section \[gate\]"):
        read_gate(file)
    file.write_text("[gate]\nmax_metric_drops = 2.0\n")
    with pytest.raises(ConfigError, match=r"gate\.max_metric_drops: unknown key; did you mean 'max_metric_drop'"):
        read_gate(file)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*FULL, "sources", "train", "validation", "tone", "model", "budget"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_no_shape_of_data_ends_in_anything_but_a_config_or_a_clear_error(data):
    with contextlib.suppress(MtlError):
        Config.from_dict(data if isinstance(data, dict) else {"tasks": {"tone": {}}, "data": data})


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"Topic": {}}, "tasks.Topic: a task's name is made of a-z"),
        ({"topic": {"labels": ["a", "a"]}}, "tasks.topic.labels: a label is named twice"),
        ({"topic": {"labels": ["a", " b"]}}, "tasks.topic.labels: ' b' is never read, .*; write 'b'"),
        ({"topic": {"labels": ["a", "b\u200b"]}}, r"tasks.topic.labels: 'b\\u200b' is never read, .*; write 'b'"),
        ({"topic": {"labels": ["a", ""]}}, "tasks.topic.labels: '' is an empty cell, which never has a label"),
        ({"topic": {"missing": ["N/A "]}}, "tasks.topic.missing: 'N/A ' is never read, .*; write 'N/A'"),
        ({"topic": {"missing": ["\u3164"]}}, r"tasks.topic.missing: '\\u3164' is an empty cell"),
        ({"topic": {"kind": "multi_label", "labels": ["a|b"]}}, r"tasks.topic.labels: .* must not contain '\|'"),
    ],
)
def test_names_that_could_never_work_are_refused_before_any_data_is_read(tasks, message):
    data = {"tasks": tasks, "data": {"train": "a.csv", "validation": "b.csv"}}
    with pytest.raises(ConfigError, match=message):
        Config.from_dict(data)
