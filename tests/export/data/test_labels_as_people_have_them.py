"""Labels and texts as people have them: each gives the right value, or a line that names file, row and way out."""

import csv
import json
import re

import pytest

from mtl_export.config import Config
from mtl_export.errors import DataError
from mtl_export.training.findings import find_data_problems
from mtl_export.training.training_data import TrainingData
from mtl_runtime.errors import MtlError, TableError

MULTI = {"kind": "multi_label"}
NUMBER = {"kind": "regression"}
NFC, NFD = "caf\u00e9", "cafe\u0301"


def rows_with(*cells, count=60, plain=("good", "bad")):
    """So many rows, of which the first have these cells and the others one of the plain labels."""
    others = [plain[number % len(plain)] for number in range(count - len(cells))]
    return [(f"text number {number}", cell) for number, cell in enumerate([*cells, *others])]


def read(folder, rows, task=None, *, suffix="csv", **data):
    """Training data of the task "tone" whose rows are both splits."""
    path = folder / f"data.{suffix}"
    if suffix == "jsonl":
        path.write_text("".join(json.dumps({"text": text, "tone": tone}) + "\n" for text, tone in rows), "utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "tone"), *rows])
    files = {"train": path.name, **({} if "holdout" in data else {"validation": path.name})}
    config = Config.from_dict({"tasks": {"tone": task or {}}, "data": {**files, **data}}, folder=folder)
    return TrainingData.read(config, config.tasks)


def findings_of(data, problem):
    return [finding.text for finding in find_data_problems(data) if finding.problem == problem]


def labels_of(folder, rows, task=None, **options):
    return read(folder, rows, task, **options).specs[0].labels


TWINS = [
    ["Good"],
    ["GOOD", "Good"],
    ["g\u200bood"],
    ["\uff47\uff4f\uff4f\uff44"],
    ["g\u043e\u043ed"],  # Cyrillic letters
]


@pytest.mark.parametrize("twins", TWINS, ids=ascii)
def test_twins_of_a_label_are_named_with_their_rows_and_can_be_folded(tmp_path, twins):
    rows = rows_with(*twins)
    (line,) = findings_of(read(tmp_path, rows), "twin_labels")
    for number, twin in enumerate(twins, 2):
        spelled = twin if twin.casefold() == "good" else ascii(twin)[1:-1]
        assert f"'{spelled}' (1 row, first data.csv, line {number})" in line
    assert "fold_labels = true in [tasks.tone]" in line
    folded = read(tmp_path, rows, {"fold_labels": True})
    assert folded.specs[0].labels == ("bad", "good")
    assert findings_of(folded, "twin_labels") == []


@pytest.mark.parametrize(
    ("cells", "folded"),
    [
        ((NFC, NFC, NFD), (NFC,)),
        (("0", "0.0", "0.0", "1", "1", "1.0"), ("0.0", "1")),
        (("1.0", "2.0", "2", ""), ("1.0", "2")),  # a column that pandas made floats of, and one that it did not
        (("True", "true", "TRUE", "true"), ("true",)),
        (("007", "7", "7"), ("7",)),
        (("New York", "New  York", "New\u00a0York", "New York"), ("New York",)),
        (("don't know", "don't know", "don\u2019t know"), ("don't know",)),
    ],
    ids=ascii,
)
def test_more_twins(tmp_path, cells, folded):
    rows = rows_with(*cells)
    assert len(findings_of(read(tmp_path, rows), "twin_labels")) == 1
    assert labels_of(tmp_path, rows, {"fold_labels": True}) == tuple(sorted([*folded, "bad", "good"]))


@pytest.mark.parametrize("cell", [" good", "good ", "\u200bgood", "good\ufeff", "\u00a0good\u200b "], ids=ascii)
def test_what_nobody_sees_around_a_label_is_no_part_of_it(tmp_path, cell):
    assert labels_of(tmp_path, rows_with(cell)) == ("bad", "good")
    assert labels_of(tmp_path, rows_with(cell), suffix="jsonl") == ("bad", "good")


@pytest.mark.parametrize("cell", ["\u200b", " \ufeff ", "\u00a0"], ids=ascii)
def test_a_label_of_which_nothing_is_seen_is_no_label(tmp_path, cell):
    data = read(tmp_path, rows_with(cell))
    assert data.specs[0].labels == ("bad", "good")
    assert data.train.rows[0].labels == {}


def test_twins_that_the_config_names_are_meant(tmp_path):
    task = {"labels": ["good", "Good", "bad"]}
    assert findings_of(read(tmp_path, rows_with("Good"), task), "twin_labels") == []


def test_a_label_unlike_a_named_one_in_case_alone_is_an_error_that_names_the_twin(tmp_path):
    with pytest.raises(TableError) as caught:
        read(tmp_path, rows_with("GOOD"), {"labels": ["good", "bad"]})
    assert re.search(
        r"data\.csv, line 2, column 'tone': unknown label 'GOOD'; did you mean 'good'\? .*fold_labels = true",
        str(caught.value),
    )
    assert labels_of(tmp_path, rows_with("GOOD"), {"labels": ["good", "bad"], "fold_labels": True}) == ("good", "bad")


def test_a_twin_that_validation_alone_has_is_an_error_that_names_the_option(tmp_path):
    rows = rows_with(count=20)
    path = tmp_path / "validation.csv"
    path.write_text("text,tone\nx,good\ny,Bad\n")
    with pytest.raises(
        TableError, match=r"validation\.csv, line 3, .*has 'bad'; fold_labels = true in \[tasks\.tone\]"
    ):
        read(tmp_path, rows, validation="validation.csv")
    data = read(tmp_path, rows, {"fold_labels": True}, validation="validation.csv")
    assert [row.labels["tone"] for row in data.validation.rows] == ["good", "bad"]


@pytest.mark.parametrize(
    "cell", ["N/A", "NA", "nan", "NaN", "null", "NULL", "None", "-", "?", "#N/A", "<NA>", "\u2014"]
)
def test_a_label_that_looks_like_a_missing_value_is_named_with_both_ways_out(tmp_path, cell):
    rows = rows_with(cell, cell)
    (line,) = findings_of(read(tmp_path, rows), "missing_values")
    assert f"'{cell}' (2 rows, first data.csv, line 2) counts as a class" in line
    assert f'missing = ["{cell}"] in [tasks.tone]' in line
    assert "name it in labels" in line
    without = read(tmp_path, rows, {"missing": [cell]})
    assert (without.specs[0].labels, without.train.rows[0].labels) == (("bad", "good"), {})
    named = read(tmp_path, rows, {"labels": ["good", "bad", cell]})
    assert findings_of(named, "missing_values") == []


def test_missing_values_stand_for_nothing_in_every_kind_of_task(tmp_path):
    assert read(tmp_path, rows_with("-1", plain=("1", "2.5")), {**NUMBER, "missing": ["-1"]}).train.rows[0].labels == {}
    rows = rows_with("N/A", "film|N/A", plain=("film", "food"))
    data = read(tmp_path, rows, {**MULTI, "missing": ["N/A"]})
    assert [row.labels.get("tone") for row in data.train.rows[:2]] == [None, ("film",)]
    rows = rows_with(-1, plain=(0, 1))
    assert labels_of(tmp_path, rows, {"missing": ["-1"]}, suffix="jsonl") == ("0", "1")


LISTS = ["['film', 'food']", '["film", "food"]', "('film', 'food')", "{'film', 'food'}", "['film' 'food']"]


@pytest.mark.parametrize("cell", LISTS)
def test_a_list_that_was_written_as_text_is_read_as_its_labels(tmp_path, cell):
    data = read(tmp_path, rows_with(cell, "[]", "['film']", plain=("film", "food")), MULTI)
    assert data.specs[0].labels == ("film", "food")
    assert [row.labels["tone"] for row in data.train.rows[:3]] == [("film", "food"), (), ("film",)]


@pytest.mark.parametrize(
    "cell",
    [
        *("[film, food]", "[film]", "['film', None]", "['film', ['food']]", "('film' + 'food')", "['film''food']"),
        *("{film,food}", '{film,"New York"}', "Index(['film', 'food'])", "deque(['film'])", "tensor([1, 0])"),
        *("Counter({'film': 1})", "Series([], dtype: object)", '["film", "fo', "('film', 'fo", "\"['film']\"", "{}"),
        *("[u'film', u'food']", "{'film': 0.9, 'food': 0.1}"),
    ],
)
def test_what_looks_like_a_list_and_cannot_be_read_as_one_is_an_error_with_the_mend(tmp_path, cell):
    with pytest.raises(TableError, match=r"data\.csv, line 2, column 'tone': .*looks like a list.*join labels by '\|'"):
        read(tmp_path, rows_with(cell, plain=("film", "food")), MULTI)
    assert read(tmp_path, rows_with(cell), {**MULTI, "labels": [cell, "good", "bad"]}).specs[0].width == 3


@pytest.mark.parametrize("cell", ["[0, 1, 1]", "[1. 0. 1.]", "[False, True]", "1|0|1", "['0', '1', '0']"])
def test_a_row_of_a_matrix_of_labels_is_an_error_with_the_mend(tmp_path, cell):
    with pytest.raises(
        TableError, match=r"line 2, .* looks like a row of a matrix with a 0 or 1 .*; join the names .*'\|'"
    ):
        read(tmp_path, rows_with(cell, plain=("film", "food")), MULTI)


@pytest.mark.parametrize("cell", [[0, 1, 1], [True, False], [1.0, 0.0, 0.0]])
def test_a_list_of_truth_values_is_no_list_of_labels(tmp_path, cell):
    with pytest.raises(TableError, match=r"data\.jsonl, line 1, .* looks like a row of a matrix"):
        read(tmp_path, rows_with(cell, plain=(["film"], ["food"])), MULTI, suffix="jsonl")
    codes = read(tmp_path, rows_with([0, 7], plain=([0], [7, 12])), MULTI, suffix="jsonl")
    assert codes.specs[0].labels == ("0", "7", "12")


def test_a_list_of_jsonl_in_a_single_label_column_is_an_error_that_names_the_kind(tmp_path):
    with pytest.raises(TableError, match=r"data\.jsonl, line 1, .*found the list \['film'\].*kind = \"multi_label\""):
        read(tmp_path, rows_with(["film"]), suffix="jsonl")
    with pytest.raises(TableError, match=r"line 1, .*found 1\.5; read numbers with kind = \"regression\""):
        read(tmp_path, rows_with(1.5), suffix="jsonl")


@pytest.mark.parametrize("cell", [*LISTS, "['film']"])
def test_a_list_in_a_single_label_column_is_an_error_that_names_the_kind(tmp_path, cell):
    with pytest.raises(TableError, match=r'data\.csv, line 2, column .tone.: found the list .*kind = "multi_label"'):
        read(tmp_path, rows_with(cell))


@pytest.mark.parametrize("cell", ["(a)", "[1]", "f(x)", "{}", "a [sic]"])
def test_a_label_with_brackets_is_a_label(tmp_path, cell):
    assert cell in labels_of(tmp_path, rows_with(cell))


@pytest.mark.parametrize(
    ("cell", "task", "mend"),
    [
        ("film, food", MULTI, "join them by '|', as in film|food"),
        ("film;food", MULTI, "join them by '|', as in film|food"),
        ("film|food", {}, 'kind = "multi_label" in [tasks.tone] reads them'),
    ],
)
def test_labels_that_look_like_several_are_named_with_the_mend(tmp_path, cell, task, mend):
    (line,) = findings_of(read(tmp_path, rows_with(cell, plain=("film", "food")), task), "joined_labels")
    assert f"{cell!r} (1 row, first data.csv, line 2); if so, {mend}" in line


def test_labels_with_commas_are_labels_where_rows_show_how_labels_are_joined(tmp_path):
    rows = rows_with("Paris, France|food", plain=("Paris, France", "food"))
    assert findings_of(read(tmp_path, rows, MULTI), "joined_labels") == []
    assert findings_of(read(tmp_path, rows_with("Paris, France")), "joined_labels") == []


@pytest.mark.parametrize(
    ("cell", "mend"),
    [
        ("1,234.5", "write 1234.5"),
        ("3,5", "write 3.5"),
        ("$12", "write 12"),
        ("12 %", "write 12 or 0.12"),
        ("1e400", "write a number up to 3.4e+38"),
        ("inf", "write a number up to 3.4e+38"),
        ("N/A", 'train with missing = ["N/A"]'),
    ],
)
def test_a_number_that_is_none_is_an_error_that_names_the_cell_and_the_mend(tmp_path, cell, mend):
    with pytest.raises(TableError) as caught:
        read(tmp_path, rows_with("1", cell, plain=("1", "2")), NUMBER)
    assert str(caught.value).startswith(
        f"{tmp_path / 'data.csv'}, line 3, column 'tone': expected a finite number, found {cell!r}"
    )
    assert mend in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "caf\u00c3\u00a9",  # UTF-8 read as Windows-1252 or Latin-1
        "it\u00e2\u20ac\u2122s good",
        "\u00d0\u00bf\u00d1\u0080\u00d0\u00b8\u00d0\u00b2\u00d0\u00b5\u00d1\u0082",
        "caf\ufffd",
    ],
    ids=ascii,
)
def test_texts_that_an_earlier_tool_decoded_wrongly_are_named(tmp_path, text):
    (line,) = findings_of(read(tmp_path, [(text, "good"), *rows_with()]), "garbled_texts")
    assert line.startswith("1 of 61 training rows have a text that was decoded wrongly before it was written")
    assert f"(data.csv, line 2: {text!r})" in line


SOUND = ["caf\u00e9", "\u041f\u0440\u0438\u0432\u0435\u0442", "na\u00efve \U0001f600", "\u00c3o \u00a9"]


@pytest.mark.parametrize("text", SOUND, ids=ascii)
def test_texts_of_other_scripts_are_not_called_garbled(tmp_path, text):
    assert findings_of(read(tmp_path, [(text, "good"), *rows_with()]), "garbled_texts") == []


@pytest.mark.parametrize("text", ["", " ", "\u200b"], ids=ascii)
def test_blank_texts_are_trained_on_and_named(tmp_path, text):
    data = read(tmp_path, [(text, "good"), *rows_with()])
    assert data.train.rows[0].text == text
    (line,) = findings_of(data, "blank_texts")
    assert line.startswith("1 training row has an empty or blank text, the first in data.csv, line 2")


@pytest.mark.parametrize("cell", [None, 7, ["a"]])
def test_a_text_that_is_none_is_an_error_that_names_its_row(tmp_path, cell):
    with pytest.raises(TableError, match=r"data\.jsonl, line 1, column 'text': (the text is missing|expected a str)"):
        read(tmp_path, [(cell, "good"), *rows_with()], suffix="jsonl")
    assert len(read(tmp_path, [(cell, "good"), *rows_with()], suffix="jsonl", bad_rows="skip").train.rows) == 60


def test_a_document_over_64_kib_is_cut_and_one_line_says_so(tmp_path, caplog):
    rows = [("the film was great " * 5000, "good"), *rows_with()]
    with caplog.at_level("INFO", "mtl_runtime"):
        assert len(read(tmp_path, rows, suffix="jsonl").train.rows[0].text) == 65_536
    assert f"{tmp_path / 'data.jsonl'}: 1 text is longer than 65536 bytes" in caplog.text
    assert len(read(tmp_path, rows, suffix="jsonl", max_text_bytes=200_000).train.rows[0].text) == 95_000


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "x")], "has a single usable row"),
        ([("a", "x"), ("a", "x"), ("a", "y")], "the 3 rows of .* have the same text"),
        ([("a", "x"), ("b", "y"), ("c", "z")], "each of the 3 is the only one of a label"),
        ([("a", "x"), ("b", "x"), ("c", "x")], r"fewer than 2 classes in the training data \(column 'tone': x\)"),
        ([("a", ""), ("b", ""), ("c", "")], "has no labelled row in the training data"),
    ],
)
def test_few_rows_say_what_is_missing_where_they_cannot_be_divided(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, rows, holdout=0.1)


def test_three_rows_of_two_labels_can_be_divided(tmp_path):
    data = read(tmp_path, [("a", "x"), ("b", "x"), ("c", "y")], holdout=0.1)
    assert (len(data.train.rows), len(data.validation.rows)) == (2, 1)


def test_a_label_of_one_row_is_trained_on_and_named(tmp_path):
    data = read(tmp_path, [*rows_with(), ("rare", "mixed")], holdout=0.2)
    assert data.specs[0].labels == ("bad", "good", "mixed")
    assert findings_of(data, "rare_labels") == [
        "task tone: label mixed has a single training row, too few to learn from"
    ]


@pytest.mark.parametrize("weights", [{"Good": 2.0, "bad": 1.0}, {"goood": 2.0, "bad": 1.0}])
def test_a_class_weight_of_a_misspelt_label_is_answered_with_the_nearest(tmp_path, weights):
    with pytest.raises(MtlError, match=r"tasks\.tone\.class_weights: .*did you mean 'good'\?"):
        read(tmp_path, rows_with(), {"class_weights": weights})


def test_a_multi_label_column_in_which_no_label_ever_applies_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"fewer than 1 classes in the training data .*there is nothing to learn"):
        read(tmp_path, rows_with(plain=("|",)), MULTI)


def test_dates_and_long_labels_in_every_row_look_like_no_labels(tmp_path):
    rows = [(f"text {number}", f"2026-01-{number % 30 + 1:02}T{number:02}:00") for number in range(60)]
    assert len(findings_of(read(tmp_path, rows), "implausible_column")) == 1
