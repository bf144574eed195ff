"""A compression end to end on a tiny teacher: its folder, its choice, and what survives a kill."""

import dataclasses
import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from functools import partial

import pytest
from click.testing import CliRunner

import mtl_runtime
from mtl_export.checkpoint import load_checkpoint
from mtl_export.compress_command import _print as print_result
from mtl_export.compress_command import compress as command
from mtl_export.compression import distill_candidate
from mtl_export.compression.compress import compress as run
from mtl_export.compression.compress import set_metric_budget
from mtl_export.compression.points import CompressionInputs
from mtl_export.compression.students_page.document import students_page
from mtl_export.compression.work_folder import TrialOutcome, finished_record, open_work_folder
from mtl_export.errors import CheckpointError, ConfigError
from mtl_export.folder_marks import run_folder_path
from mtl_runtime.bundle.gate_config import GateBudget, GateConfig, PrecisionBudget, limits_for
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError
from tests.export.compression.tiny_teacher import plan_sizes, train_teacher
from tests.export.tiny import rows, write_csv

# One variant and two sizes: the rest is the same again.
compress = partial(run, variants=["cpu-fp32"])
BUDGET = 50.0


@pytest.fixture(autouse=True)
def two_sizes(monkeypatch):
    plan_sizes(monkeypatch, 1.0, 2.0)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return train_teacher(tmp_path_factory.mktemp("compress"), tasks={"sentiment": {}, "stars": {"kind": "regression"}})


@pytest.fixture(scope="module")
def compressed(teacher):
    with pytest.MonkeyPatch.context() as patch:
        plan_sizes(patch, 1.0, 2.0)
        output = teacher.path.with_name("students")
        return output, compress(teacher.path, output, budget=BUDGET)


def bytes_of_students(output):
    """Bytes of each student's weights, and of what its checkpoint says of them."""
    return {
        (folder.parent.name, name): (folder / name).read_bytes()
        for folder in output.glob("*/checkpoint")
        for name in ("model.safetensors", "checkpoint.json")
    }


def test_a_compression_leaves_checkpoints_bundles_a_record_and_a_page(compressed):
    output, record = compressed
    assert records.from_json(type(record), (output / "students.json").read_bytes()) == record
    assert not output.with_name("students.run").exists()
    names = {student.name for student in record.students}
    assert {path.name for path in output.iterdir()} == {*names, "teacher", "students.json", "students.html"}
    assert {point.model for point in record.points} == {*names, "teacher"}
    assert len(record.students) == 2
    for student in record.students:
        origin = load_checkpoint(output / student.name / "checkpoint").record.training.student
        assert origin.teacher == record.teacher
        assert origin.layers == student.shape.layers
        classifier = mtl_runtime.load(output / student.name / "bundle")
        assert set(classifier("a good film")) == {"sentiment", "stars"}
    page = (output / "students.html").read_text("utf-8")
    assert html.escape(record.choice.reason) in page
    assert page.count("<svg") > 4


def test_the_students_data_files_are_where_their_records_say(compressed):
    output, record = compressed
    checkpoint = load_checkpoint(output / record.students[0].name / "checkpoint")
    assert all(checkpoint.data_path(name).is_file() for name in checkpoint.record.training.files)


def test_points_are_timed_against_the_teachers_fastest_variant(compressed):
    _, record = compressed
    (own,) = [point for point in record.points if point.model == "teacher"]
    assert own.speed.median == 1.0
    assert (own.loss, own.work) == (pytest.approx(0.0, abs=0.01), 1.0)  # its graph rounds otherwise than PyTorch
    assert all(point.speed.n == 9 and point.texts_per_second.median > 0 for point in record.points)


def test_trials_choose_one_candidate_of_each_size(compressed):
    _, record = compressed
    assert {student.name for student in record.students} <= {trial.candidate for trial in record.trials}
    assert all(trial.divergence >= 0 for trial in record.trials)


@pytest.fixture(scope="module")
def spoiled(teacher, tmp_path_factory):
    """A compression whose students all answer sentiment at random."""
    folder = tmp_path_factory.mktemp("spoiled")
    texts = write_csv(folder / "more.csv", [{"text": row["text"]} for row in rows(40, seed=31)])
    distil = distill_candidate.distill

    def spoil(student, *arguments, **options):
        checkpoint = distil(student, *arguments, **options)
        weights = checkpoint.path / "model.safetensors"
        from safetensors.torch import load_file, save_file

        changed = {
            name: -weight if name.startswith("heads.task_sentiment") else weight
            for name, weight in load_file(weights).items()
        }
        save_file(changed, weights)
        return load_checkpoint(checkpoint.path)

    with pytest.MonkeyPatch.context() as patch:
        plan_sizes(patch, 1.0, 0.67, 2.0)
        patch.setattr(distill_candidate, "distill", spoil)
        output = folder / "students"
        return output, compress(teacher.path, output, budget=5.0, texts=[texts])


def test_a_student_over_the_budget_is_never_taken(spoiled):
    _, record = spoiled
    exceeded = [point for point in record.points if point.model != "teacher"]
    assert exceeded
    assert all(point.outcome == "exceeded" and point.loss > 5 for point in exceeded)
    assert record.choice.model == "teacher"
    assert "nothing inside the budget of 5 points was found" in record.choice.reason
    assert record.notes[0].startswith(
        "task sentiment: 31 labelled validation sentences are too few to be certain of 5 points, even if no answer "
        "changed; at least 59 would be needed"
    )


def test_nothing_smaller_is_made_than_a_student_that_clearly_exceeds_the_budget_but_what_is_larger(spoiled):
    output, record = spoiled
    work = {point.model: point.work for point in record.points}
    wanted, larger = record.students
    assert work[wanted.name] < work[larger.name] < 1
    (note,) = [note for note in record.notes if note.startswith("not made")]
    assert re.fullmatch(
        rf"not made, since {larger.name} clearly exceeds the budget \(.* of sentiment .*\): "
        r"a student of about \d+ % of the work",
        note,
    )
    origin = load_checkpoint(output / wanted.name / "checkpoint").record.training.student
    assert 30 < origin.texts <= 40


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.fixture
def killed(teacher):
    """The output of a compression that was killed when its first student had just been exported."""
    target = teacher.path.with_name("killed")  # a checkpoint names its data relative to itself
    program = f"""
import os, signal
from mtl_export.compression import candidates
from mtl_export.compression.compress import compress
from mtl_runtime.core import atomic_folder, outputs
candidates._SPEEDS, candidates._FIXED_WORK_PER_COLUMN = (1.0, 2.0), 1
move = outputs.move_folder
def die(staging, target, **options):
    move(staging, target, **options)
    if target.name == "bundle" and target.parent.name != "teacher":
        os.kill(os.getpid(), signal.SIGKILL)
atomic_folder.move_folder = die
compress({str(teacher.path)!r}, {str(target)!r}, budget={BUDGET}, variants=["cpu-fp32"])
"""
    run = subprocess.run([sys.executable, "-c", program], env={**os.environ}, check=False, capture_output=True)
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()
    assert not target.exists()
    return target


def test_a_compression_that_is_killed_gives_the_same_bytes_as_one_that_is_not(teacher, compressed, killed):
    output, record = compressed
    in_time = killed.with_name("in-time")
    shutil.copytree(run_folder_path(killed), run_folder_path(in_time))
    with pytest.raises(CheckpointError, match="holds an unfinished compression; continue it with --resume"):
        compress(teacher.path, killed, budget=BUDGET)
    with pytest.raises(CheckpointError, match="cannot resume: --budget changed since it was started"):
        compress(teacher.path, killed, budget=1.0, resume=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mtl_export.compression.compress.measure_points", interrupt)
        with pytest.raises(KeyboardInterrupt) as stopped:
            compress(teacher.path, killed, budget=BUDGET, resume=True)
    assert stopped.value.__notes__ == [
        "what is finished is kept; the same command with --resume, not --force, continues"
    ]
    # Students that are finished stay in, although no further one would be begun.
    resumed = compress(teacher.path, killed, budget=BUDGET, resume=True, minutes=0)
    assert bytes_of_students(killed) == bytes_of_students(output)
    assert [dataclasses.replace(one, seconds=0) for one in resumed.students] == [
        dataclasses.replace(one, seconds=0) for one in record.students
    ]
    # When the time is up one student is there, and the others are named.
    shorter = compress(teacher.path, in_time, budget=BUDGET, resume=True, minutes=0)
    assert [one.name for one in shorter.students] == [record.students[0].name]
    assert any(note.startswith("not made, since the 0 minutes were up: ") for note in shorter.notes)


def test_without_time_one_student_of_the_wanted_size_is_made(teacher, caplog):
    caplog.set_level("INFO", "mtl_export")
    with pytest.MonkeyPatch.context() as patch:
        plan_sizes(patch, 1.0, 2 / 3, 1.5, 2.0)
        record = compress(teacher.path, teacher.path.with_name("no-time"), budget=BUDGET, minutes=0)
    (student,) = record.students
    assert {trial.candidate for trial in record.trials} >= {student.name}
    (work,) = [point.work for point in record.points if point.model == student.name]
    assert work == pytest.approx(0.5, abs=0.05)  # half of the work is twice the speed, where all of a pass is layers
    sizes = ", ".join(f"a student of about {percent} % of the work" for percent in (75, 33, 25))
    assert f"not made, since the 0 minutes were up: {sizes}" in record.notes
    assert "the 0 minutes were up; one student is made in any case" in caplog.messages


def test_a_finished_compression_is_read_again(teacher, compressed):
    output, record = compressed
    assert compress(teacher.path, output, budget=BUDGET, resume=True) == record
    with pytest.raises(CheckpointError, match="is finished, and --budget changed since"):
        compress(teacher.path, output, budget=1.0, resume=True)
    with pytest.raises(CheckpointError, match="is finished, and --variants changed since"):
        compress(teacher.path, output, budget=BUDGET, resume=True, variants=["cpu-fp32", "cpu-int8"])
    with pytest.raises(MtlError, match="exists already"):
        compress(teacher.path, output, budget=BUDGET)


INPUTS = CompressionInputs(teacher="0" * 64, files=(), column=None, variants=("auto",), budget=0.5, speed=2.0, seed=0)


def open_folder(target, **options):
    return open_work_folder(
        target, INPUTS, choose_precision=lambda: "fp32", **{"resume": False, "force": False, **options}
    )


def test_a_compression_that_replaces_an_older_one_can_be_resumed(compressed, tmp_path):
    output, record = compressed
    target = tmp_path / "students"
    shutil.copytree(output, target)
    open_folder(target, force=True)
    assert finished_record(target, record.inputs) is None
    resumed = open_folder(target, resume=True)
    (resumed.path / "new").touch()
    resumed.finish()
    assert [path.name for path in target.iterdir()] == ["new"]


def test_trials_are_kept_until_the_students_are_in_their_place(tmp_path):
    """Else a compression that is resumed would make them again, as far as its minutes reach."""
    target = tmp_path / "students"
    work = open_folder(target)
    work.trial("3-layers", 0).mkdir(parents=True)
    work.finish_trial("3-layers", 0, TrialOutcome(divergence=0.1, seconds_per_row=0.2))
    target.mkdir()
    (target / "somebody").touch()
    with pytest.raises(MtlError):
        work.finish()
    shutil.rmtree(target)
    resumed = open_folder(target, resume=True)
    assert resumed.read_trial("3-layers", 0) is not None
    resumed.finish()
    assert list(target.iterdir()) == []


def test_students_that_could_not_be_moved_are_not_lost(tmp_path):
    work = open_folder(tmp_path / "students")
    (work.path / "3-layers").mkdir()
    (tmp_path / "students").mkdir()
    (tmp_path / "students" / "somebody").touch()
    with pytest.raises(MtlError, match="the students are complete in"):
        work.finish()
    assert (run_folder_path(tmp_path / "students") / "3-layers").is_dir()
    with pytest.raises(CheckpointError, match="holds an unfinished compression"):
        open_folder(tmp_path / "students")


def test_an_unfinished_training_is_not_removed(tmp_path):
    run_folder = run_folder_path(tmp_path / "students")
    run_folder.mkdir()
    (run_folder / "run.json").touch()
    with pytest.raises(CheckpointError, match="holds an unfinished run"):
        open_folder(tmp_path / "students")


def test_the_budget_of_the_command_comes_before_that_of_a_precision_and_after_that_of_a_task():
    gate = GateConfig(
        budget=GateBudget(max_metric_drop=9.0, min_agreement=0.5),
        precisions={"int8": PrecisionBudget(budget=GateBudget(max_metric_drop=2.0, min_agreement=0.9))},
        tasks={"stars": GateBudget(max_metric_drop=1.0)},
    )
    chosen = set_metric_budget(gate, 0.25)
    assert limits_for(chosen, "sentiment", "int8").max_metric_drop == 0.25
    assert limits_for(chosen, "sentiment", "int8").min_agreement == 0.9
    assert limits_for(chosen, "sentiment", "fp32").max_metric_drop == 0.25
    assert limits_for(chosen, "stars", "int8").max_metric_drop == 1.0


def test_the_command_prints_what_to_take(teacher, compressed):
    output, record = compressed
    options = ["--budget", str(BUDGET), "--variants", "cpu-fp32", "--resume"]
    result = CliRunner().invoke(command, [str(teacher.path), "-o", str(output), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert f"take {output / record.choice.model / 'bundle'}, variant {record.choice.variant}" in result.output
    as_json = CliRunner().invoke(
        command, [str(teacher.path), "-o", str(output), *options, "--json"], catch_exceptions=False
    )
    assert json.loads(as_json.stdout)["choice"]["model"] == record.choice.model


def test_the_command_says_how_to_test_a_student_that_was_taken(compressed, capsys):
    output, record = compressed
    student = record.students[0].name
    print_result(dataclasses.replace(record, choice=dataclasses.replace(record.choice, model=student)), output)
    *_, last = capsys.readouterr().out.splitlines()
    assert last.endswith(f"mtl evaluate {output / student / 'bundle'} FILE --against {output / 'teacher' / 'bundle'}")
    print_result(dataclasses.replace(record, choice=dataclasses.replace(record.choice, model="teacher")), output)
    assert "mtl evaluate" not in capsys.readouterr().out


def test_few_texts_to_learn_from_are_noted(compressed):
    _, record = compressed
    assert "192 texts to learn from are few; add sentences without labels with --texts" in record.notes


def test_mistakes_show_before_torch_is_imported(tmp_path, teacher):
    with pytest.raises(ConfigError, match="choose one"):
        compress(teacher.path, tmp_path / "s", resume=True, force=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", "2")
        with pytest.raises(ConfigError, match="start it without torchrun"):
            compress(teacher.path, tmp_path / "s")
    with pytest.raises(CheckpointError, match="is not a folder"):
        compress(tmp_path / "nowhere", tmp_path / "s")
    with pytest.raises(ConfigError, match="cannot be read"):
        compress(teacher.path, tmp_path / "s", texts=[tmp_path / "missing.csv"])
    for budget, speed in ((0.0, 2.0), (0.5, 1.0), (0.5, float("inf")), (float("nan"), 2.0)):
        with pytest.raises(ConfigError, match="write points above 0, and a multiple above 1"):
            run(teacher.path, tmp_path / "s", budget=budget, speed=speed)
    with pytest.raises(ConfigError, match="give both or neither"):
        compress(teacher.path, tmp_path / "s", column="body")


@pytest.mark.parametrize("above", [0, 1, 2])
def test_a_checkpoint_is_never_replaced_by_its_students(teacher, above):
    output = [teacher.path, *teacher.path.parents][above]
    with pytest.raises(MtlError, match="is read; name another output"):
        compress(teacher.path, output, force=True)
    assert (teacher.path / "model.safetensors").is_file()


def test_a_mistake_in_texts_leaves_nothing_to_resume(tmp_path, teacher):
    texts = write_csv(tmp_path / "more.csv", [{"body": row["text"]} for row in rows(20, seed=8)])
    with pytest.raises(MtlError) as wrong:
        compress(teacher.path, tmp_path / "s", texts=[texts], column="bodies")
    assert wrong.value.__notes__ == []
    assert [path.name for path in tmp_path.iterdir()] == ["more.csv"]


def test_a_task_without_labels_has_a_row_on_the_page(compressed):
    _, record = compressed
    change = dataclasses.replace(record.points[0].tasks["sentiment"], metrics={}, changes={}, lows={}, difference=2.5)
    point = dataclasses.replace(record.points[0], tasks={"sentiment": change})
    page = students_page(dataclasses.replace(record, points=(point,)), title="students")
    assert "differs from the teacher" in page
    assert "+2.50" in page


def test_the_worse_end_of_an_error_is_the_higher_one(compressed):
    _, record = compressed
    for point in record.points:
        stars = point.tasks["stars"]
        assert stars.lows["mae"] >= stars.changes["mae"]
        assert stars.lows["pearson"] <= stars.changes["pearson"]
