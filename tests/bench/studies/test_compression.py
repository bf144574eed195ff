"""The study of compressions: a test split's losses, its tables, and the picture with Model2Vec of the bench."""

import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from mtl_bench.results.files import read_report, read_results
from mtl_bench.results.schema import AnswerScores, SystemResult
from mtl_bench.studies.compression import picture
from mtl_bench.studies.compression.command import main
from mtl_bench.studies.compression.picture import Mark, draw_picture, mark_points, mark_static_embeddings
from mtl_bench.studies.compression.results import CompressionResults
from mtl_bench.studies.compression.tables import page_tables
from mtl_export.compression.compress import compress
from tests.export.compression.tiny_teacher import plan_sizes, train_teacher
from tests.export.tiny import rows, write_csv

BENCH = Path(__file__).parents[3] / "benchmarks" / "results" / "bench" / "amd-epyc-2c-avx512-vnni.json"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def results_file(tmp_path_factory):
    """Two runs of the study on the students of one tiny teacher, kept one after the other."""
    folder = tmp_path_factory.mktemp("study")
    teacher = train_teacher(folder, tasks={"sentiment": {}})
    with pytest.MonkeyPatch.context() as patch:
        plan_sizes(patch, 1.0)
        compress(teacher.path, folder / "students", budget=50.0, variants=["cpu-fp32"])
    test = write_csv(folder / "test.csv", rows(60, seed=77))
    output = folder / "compression.json"
    for name, title in (("small", "few rows"), ("again", "the same once more")):
        arguments = [name, str(teacher.path), str(folder / "students"), str(test), "-o", str(output), "--title", title]
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert "points on the test split" in result.output
    return output


@pytest.fixture(scope="module")
def results(results_file):
    return read_results(CompressionResults, results_file)


def test_a_run_keeps_the_others_and_compares_every_variant_on_the_test_rows(results):
    assert list(results.runs) == ["small", "again"]
    run = results.runs["small"]
    assert (run.test_sentences, run.encoder) == (60, "bert, 4 layers of 32")
    assert {(one.model, one.variant) for one in run.tested} == {(one.model, one.variant) for one in run.found.points}
    (own,) = [one for one in run.tested if one.model == "teacher"]
    assert own.loss == pytest.approx(0.0, abs=0.01)
    assert own.tasks["sentiment"].agreement == 1.0


def test_the_tables_show_what_was_taken_and_the_ways_that_lost(results):
    tables = page_tables(results)
    choice = results.runs["small"].found.choice
    assert f"**{choice.model}**" in tables["students"]
    lines = tables["trials"].splitlines()
    for trial in results.runs["small"].found.trials:
        (line,) = [
            line for line in lines if "few rows" in line and trial.candidate in line.replace("*", "").split(" | ")
        ]
        assert f"{trial.divergence:.4f}" in line
    assert "bert, 4 layers of 32" in tables["circumstances"]
    assert "macro-F1 0." in tables["students"]


def test_the_picture_has_a_panel_for_each_run_and_a_marker_for_each_point(results):
    document = ElementTree.fromstring(draw_picture(results, {"small": Mark("Model2Vec", "another model", 16.0, -3.5)}))
    titles = [element.text for element in document.iter(f"{SVG}title")]
    assert "Model2Vec: 16.00 times, -3.50 points" in titles
    for mark in mark_points(results.runs["small"]):
        assert titles.count(f"{mark.name}: {mark.speed:.2f} times, {mark.change:+.2f} points") == 2
    words = [element.text for element in document.iter(f"{SVG}text")]
    assert {"few rows", "the same once more", "16x", "taken", "another model"} <= set(words)
    assert document.get("viewBox") == "0 0 740 284"


def test_another_model_far_below_leaves_the_students_their_room(results):
    def labels(mark):
        document = ElementTree.fromstring(draw_picture(results, {"small": mark}))
        return [element.text for element in document.iter(f"{SVG}text")]

    far, near = (labels(Mark("Model2Vec", "another model", 2.0, change)) for change in (-80.0, 0.0))
    assert set(far) - set(near) == {"Model2Vec: -80.0"}


def test_three_panels_do_not_stand_abreast(results):
    run = results.runs["small"]
    three = dataclasses.replace(results, runs={"one": run, "two": run, "three": run})
    document = ElementTree.fromstring(draw_picture(three, {}))
    panels = [element.get("transform") for element in document.iter(f"{SVG}g")]
    assert panels[:3] == ["translate(0 0)", "translate(370 0)", "translate(0 250)"]
    assert document.get("viewBox") == "0 0 740 534"


def test_what_was_taken_and_the_teacher_are_told_apart(results):
    run = results.runs["small"]
    of_teacher = next(index for index, point in enumerate(run.found.points) if point.model == "teacher")
    choice = dataclasses.replace(run.found.choice, model="nothing")
    other = dataclasses.replace(run, found=dataclasses.replace(run.found, choice=choice))
    assert mark_points(other)[of_teacher].series == "teacher"
    taken = (run.found.choice.model, run.found.choice.variant)
    for mark in mark_points(run):
        assert (mark.series == "taken") == (mark.name == ", ".join(taken))


def test_static_embeddings_are_compared_with_the_models_fastest_variant():
    report = read_report(BENCH)
    reference, fastest = report.systems["cpu-fp32"], report.systems["cpu-int8"]
    metrics = {task: dict(values) for task, values in reference.answers.metrics.items()}
    metrics["sentiment"]["accuracy"] -= 0.07
    static = dataclasses.replace(
        fastest, kind="peer", answers=AnswerScores(agreement={"sentiment": 0.9, "domain": 0.9}, metrics=metrics)
    )
    mark = mark_static_embeddings(
        dataclasses.replace(report, systems={**report.systems, "model2vec": static}), ["cpu-fp32", "cpu-int8"]
    )
    assert mark == Mark("Model2Vec", "another model", pytest.approx(1.0), pytest.approx(-7.0))


def test_static_embeddings_that_were_not_measured_are_not_drawn():
    report = read_report(BENCH)
    failed = SystemResult(title="Model2Vec", kind="peer", command="", error="not installed")
    failing = dataclasses.replace(report, systems={**report.systems, "model2vec": failed})
    assert mark_static_embeddings(failing, ["cpu-int8"]) is None
    without = {name: system for name, system in report.systems.items() if name != "model2vec"}
    assert mark_static_embeddings(dataclasses.replace(report, systems=without), ["cpu-int8"]) is None


def test_the_command_writes_the_picture(results_file, tmp_path):
    target = tmp_path / "students.svg"
    result = CliRunner().invoke(
        picture.main, [str(results_file), str(BENCH), str(target), "--bench-run", "small"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    assert len(re.findall("few rows", target.read_text("utf-8"))) == 1
