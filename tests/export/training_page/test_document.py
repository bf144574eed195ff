"""The page of a training says what is wrong, how good the model is and how it got there, and cannot run anything."""

import base64
import hashlib
import re
from dataclasses import replace
from importlib import resources

import pytest

from mtl_export.checkpoint import CheckpointRecord
from mtl_export.training_page import training_page
from mtl_export.training_page.line_chart import Line, line_chart
from mtl_runtime.core.records import from_dict, to_dict
from tests.export.training_page.training_records import (
    EARLIER,
    RECORD,
    SMUGGLED,
    TRAINING,
    evaluation,
    with_labels,
    with_training,
)
from tests.runtime.report.page_document import Document

STYLES = [
    resources.files(package).joinpath(name).read_text("utf-8")
    for package, name in (("mtl_runtime.report", "page.css"), ("mtl_export.training_page", "training_page.css"))
]


@pytest.fixture(scope="module")
def page():
    return training_page(RECORD, title="demo <checkpoint>")


@pytest.fixture(scope="module")
def document(page):
    return Document(page)


def page_of(record):
    return Document(training_page(record, title="t"))


def classes(document, element):
    return [attributes.get("class") for attributes in document.named(element)]


def test_the_page_is_well_formed_and_declares_language_charset_and_title(page, document):
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert document.named("meta")[0] == {"charset": "utf-8"}
    assert "demo <checkpoint>: training" in document.text


def test_equal_records_give_equal_bytes(page):
    assert training_page(from_dict(CheckpointRecord, to_dict(RECORD)), title="demo <checkpoint>") == page


def test_the_policy_allows_the_style_sheet_and_nothing_else(document):
    (policy,) = (meta["content"] for meta in document.named("meta") if "http-equiv" in meta)
    digest = base64.b64encode(hashlib.sha256("".join(STYLES).encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert document.assets == {"style": "".join(STYLES)}
    assert not [name for name, attributes in document.elements if name == "script" or "style" in attributes]


def test_words_of_the_data_stay_words(page, document):
    assert SMUGGLED not in page
    assert SMUGGLED in document.text


def test_findings_stand_above_everything_else(document):
    first, second = (finding.text for finding in RECORD.training.findings)
    assert f"2 findings, the most serious first: {first} {second} Encoder" in document.text
    assert document.text.index(first) < document.text.index("How good the model is")


def test_a_training_without_findings_says_so_and_one_that_never_looked_claims_nothing():
    assert "Nothing conspicuous was found" in page_of(with_training(findings=())).text
    assert "Nothing conspicuous" not in page_of(EARLIER).text


@pytest.mark.parametrize(
    "figure",
    [
        "on 57 validation rows their score is 0.445, mean of macro-F1 and Pearson over 3",
        "sentiment macro-F1 2,038 0.865 – 0.814 0.892",  # model, probe, majority
        "accuracy 2,038 0.915 0.902 to 0.926 0.864 0.942",
        "price Pearson 57 0.050 – – 0.000",  # no probe
        "mean sq. error 57 1.1 × 10⁹ – – 9.0 × 10⁸",
        "probe 0.814 majority 0.892 best step 200",  # key of the chart
        "macro-F1, step 200: 0.797",
        "validation loss, step 200: 0.5",
        "training loss, step 25: 1.9",
        "negative answered positive & more: 96 of 1,920",
        "negative positive & more 96 5.00 %",  # most frequent confusions
        "positive & more 679 76 169 0.361 0.803 0.498",  # rows in both splits, answers, precision, recall, F1
        f"{SMUGGLED} 110 12 0 – 0.000 0.000",  # a label that is never answered has no precision
        "learning rate of the encoder 3.0 × 10⁻⁵ auto: taken by the amount of data and this machine",
        "optimizer steps 1,360 follows from the rows",
        "train 18,300 18,299 540 513 validation 2,038 2,038 60 57",
        "../data/a&b.csv 23,405 " + "ab" * 32,
        "25 rows left out, of which the first 20 are shown",
        "encoder.pooler.dense.weight",
        "torch 2.13.0+cpu, transformers 5.23.0",
    ],
)
def test_every_figure_that_matters_is_there(document, figure):
    assert figure in document.text


def test_figures_that_are_no_better_than_a_baseline_stand_out():
    behind = page_of(RECORD)
    assert classes(behind, "td").count("n behind") == 7
    ahead = page_of(with_training(majority=TRAINING.probe, probe={}))
    assert [name for name in classes(ahead, "td") if name == "n behind"] == ["n behind"] * 2  # of tags, equal ones


def test_a_setting_that_the_config_leaves_to_the_data_shows_what_was_taken():
    config = replace(TRAINING.config, training=replace(TRAINING.config.training, epochs="auto"))
    text = page_of(with_training(config=config)).text
    assert "epochs 4 auto: taken by the amount of data and this machine" in text


def test_a_perfect_score_that_the_probe_has_too_does_not_stand_out():
    perfect = {"sentiment": replace(TRAINING.validation["sentiment"], values={"accuracy": 1.0, "macro_f1": 1.0})}
    record = with_training(validation=perfect, probe=perfect, majority={})
    assert "n behind" not in classes(page_of(record), "td")


def test_a_checkpoint_of_version_1_has_a_page_of_what_it_recorded():
    document = page_of(EARLIER)
    assert "Settings as the config says" in document.text
    assert "negative – 1,920 1,811 0.987 0.931 0.958" in document.text
    assert "polyline" not in {name for name, _ in document.elements}


@pytest.mark.parametrize("count", [2, 12, 20, 21, 50, 51, 150])
def test_a_confusion_matrix_of_2_to_150_labels_shows_every_pair_that_occurs(count):
    record = with_labels(count)
    document = page_of(record)
    occurring = len(record.training.validation["intent"].confusion.counts)
    assert classes(document, "rect").count("cell") == occurring
    titles = re.findall(r"answered [^:]+: \d+ of 3", document.text)
    assert len(titles) == occurring
    numbers = [attributes for attributes in document.named("text") if attributes.get("class") == "on"]
    assert bool(numbers) == (count <= 20)
    assert ("All" in document.text) == (count > 12)


def test_of_many_hundreds_of_labels_the_most_frequent_confusions_are_listed_and_no_matrix_is_drawn():
    document = page_of(with_labels(201))
    assert "rect" not in {name for name, _ in document.elements}
    assert "Most frequent confusions, 15 of" in document.text


def test_a_history_of_one_evaluation_or_of_hundreds_is_drawn():
    one = page_of(with_training(history=(evaluation(3),)))
    assert len(one.named("polyline")) == 7
    many = page_of(with_training(history=tuple(map(evaluation, range(400)))))
    assert len(many.named("circle")) < 20  # those of the keys: markers would hide the lines


def test_values_that_are_not_finite_leave_a_gap_and_flat_ones_a_line():
    chart = line_chart("c", Line("loss", ((0, float("nan")), (5, 2.0), (10, float("inf"))), 0))
    assert 'points="' in chart
    assert "nan" not in chart
    flat = line_chart("c", Line("loss", ((0, 0.0), (10, 0.0)), 0), best_step=10)
    assert "best step 10" in flat


def scored(*scores):
    """Evaluations at steps 100, 200, ... with these macro-F1 of one task, of whose run the last weights were kept."""
    history = tuple(
        replace(TRAINING.history[0], step=100 * number, metrics={"sentiment": {"macro_f1": score}})
        for number, score in enumerate(scores, 1)
    )
    sentiment = {"sentiment": TRAINING.validation["sentiment"]}
    last = 100 * len(scores)
    return page_of(with_training(history=history, validation=sentiment, best_step=last, steps=last)).text


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        ((0.8, 0.9), "step 200 of 200, which scored best: on"),
        ((0.8, 1.0, 1.0, 1.0), "step 400 of 400, the latest of 3 evaluations with the best score: on"),
        (
            (0.99, 0.98),
            "the latest evaluation whose score, 0.980, so few rows cannot tell from the best one, 0.990: on",
        ),
    ],
)
def test_the_page_says_by_which_rule_the_weights_were_chosen(scores, why):
    assert why in scored(*scores)
