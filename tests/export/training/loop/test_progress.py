"""What ``mtl train`` shows of a run: plain lines, above a bar on a terminal, and the log with -v; each line once."""

import contextlib
import io
import itertools
import logging
import os
import pty
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from rich.console import Console

from mtl_export.console_log import log_to_console, shows_info
from mtl_export.training.loop.progress import TrainingProgress
from mtl_export.training.loop.selection import EarlyStopping
from mtl_runtime.cli.app import main
from mtl_runtime.core.work import step_work
from tests.export.tiny import project

NUMBER = r"\d\.\d{4}"
PLAN = "plan: 1 epoch of 96 steps, batches of 4, learning rates .*, contrastive weight 1, fp32"
TOKENIZER = "encoder: tokenizer.json is used; without a tokenizer_class, AutoTokenizer reads it as a BertTokenizer"
ENCODER = r"encoder: bert, pooling mean \(default\), max_length 40 \(config\)"
LOADING = "loading torch and transformers, which takes a few seconds"
FIT = "fitting the heads to the frozen encoder, which reads the 384 training sentences once"
EVALUATE = "evaluating them on the 32 validation sentences: the score that training has to beat"
START = "training for 96 steps; after ten seconds a line says how long they take"
STEP = f"step 50/96, training loss {NUMBER}"
EPOCH = f"epoch 1/1, training loss {NUMBER}, score {NUMBER}, topic.accuracy {NUMBER}, topic.macro_f1 {NUMBER}"
FIT_AGAIN = "fitting the heads once more, to the trained encoder; the better ones on validation stay"
# What is said, and by which module.
RECORDS = {
    LOADING: "commands",
    "train: 384 sentences, 0 rows skipped": "training.training_data",
    "validation: 32 sentences, 0 rows skipped": "training.training_data",
    TOKENIZER: "model.encoder.tokenizer_file",
    ENCODER: "model.encoder.settings",
    PLAN: "training.plan",
    FIT: "training.fit",
    EVALUATE: "training.fit",
    START: "training.fit",
    STEP: "training.loop.progress",
    EPOCH: "training.loop.progress",
    FIT_AGAIN: "training.final_weights",
}
LINES = list(RECORDS)


@pytest.fixture
def command(tmp_path):
    """Arguments of ``mtl`` that train 96 steps."""
    folder = project(tmp_path)
    (folder / "config.toml").write_text(
        '[encoder]\nmodel = "encoder"\nmax_length = 40\n[tasks.topic]\n'
        '[data]\ntrain = "train.csv"\nvalidation = "validation.csv"\n[training]\n'
        'epochs = 1\nbatch_size = 4\nprecision = "fp32"\n'
    )
    return ["train", str(folder / "config.toml"), "-o", str(folder / "checkpoint")]


def program(arguments):
    code = "import sys; from mtl_runtime.cli.app import main; sys.argv[0] = 'mtl'; main()"
    return [sys.executable, "-W", "ignore", "-c", code, *arguments]


def matching(patterns, lines):
    """The lines but those of findings, each of which must match its pattern."""
    lines = [line for line in lines if not line.startswith("WARNING")]
    assert len(patterns) == len(lines), lines
    return all(re.fullmatch(pattern, line) for pattern, line in zip(patterns, lines, strict=True))


def run_in_terminal(arguments):
    """What a program writes to stderr where that is a terminal of 200 columns."""
    primary, secondary = pty.openpty()
    environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm"}
    process = subprocess.Popen(program(arguments), stdout=subprocess.DEVNULL, stderr=secondary, env=environment)
    os.close(secondary)
    written = b""
    try:
        while piece := os.read(primary, 4096):
            written += piece
    except OSError:  # Linux ends a terminal that no process has open any more with an error
        pass
    os.close(primary)
    assert process.wait(timeout=60) == 0, written
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())


def test_without_a_terminal_each_stage_is_a_line_on_stderr(command):
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert matching(LINES, done.stderr.splitlines())
    assert "checkpoint written to" in done.stdout


def test_with_v_each_stage_is_one_record_with_level_and_module(command):
    done = subprocess.run(program(["-v", *command]), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    ours = [line for line in done.stderr.splitlines() if "mtl_export" in line]
    records = [f"INFO mtl_export.{module}: {line}" for line, module in RECORDS.items()]
    assert matching(records, ours)
    plain = [line for line in done.stderr.splitlines() if any(re.fullmatch(pattern, line) for pattern in LINES)]
    assert plain == []


def test_on_a_terminal_the_lines_stand_above_a_bar_that_stays(command):
    shown = [line.strip() for part in run_in_terminal(command).splitlines() for line in part.split("\r")]
    for pattern in (line for line in LINES if line != STEP):
        assert sum(re.fullmatch(pattern, line) is not None for line in shown) == 1, pattern
    assert not any(re.fullmatch(STEP, line) for line in shown)
    bars = [line for line in shown if "steps" in line and "━" in line]
    assert "96/96 steps" in bars[-1]
    assert bars[-1].startswith("training loss ")
    said = [line for line in shown if line and not line.startswith("WARNING")]
    assert said[-2:] == [bars[-1], FIT_AGAIN]


def test_on_a_terminal_v_shows_records_and_no_bar(command):
    shown = run_in_terminal(["-v", *command])
    assert len(re.findall(f"INFO mtl_export.training.loop.progress: {STEP}", shown)) == 1
    assert "━" not in shown


def state_at(step):
    return SimpleNamespace(global_step=step, max_steps=100, epoch=1.0, is_world_process_zero=True)


ARGUMENTS = SimpleNamespace(num_train_epochs=2)
CONTROL = SimpleNamespace(should_evaluate=False)


def follow(progress, *, losses):
    """The events of a run with an evaluation at its end."""
    progress.on_train_begin(ARGUMENTS, state_at(0), CONTROL)
    for step, loss in losses.items():
        progress.on_step_end(ARGUMENTS, state_at(step), CONTROL)
        progress.on_log(ARGUMENTS, state_at(step), CONTROL, logs={"loss": loss})
    metrics = {"eval_score": 0.5, "eval_topic.accuracy": 0.75, "eval_runtime": 3.0}
    progress.on_evaluate(ARGUMENTS, state_at(100), CONTROL, metrics=metrics)


def test_a_line_is_logged_for_each_tenth_of_the_steps(caplog):
    with caplog.at_level(logging.INFO, "mtl_export"), TrainingProgress(None) as progress:
        follow(progress, losses=dict.fromkeys(range(1, 101), 0.25))
    steps = [line for line in caplog.messages if line.startswith("step")]
    assert steps == [f"step {step}/100, training loss 0.2500" for step in range(1, 101, 10)]
    assert caplog.messages[-1] == "epoch 1/2, training loss 0.2500, score 0.5000, topic.accuracy 0.7500"


def test_the_first_line_comes_after_ten_seconds_and_says_how_long_the_rest_will_take(caplog):
    seconds = iter(range(0, 1000, 3))
    now = [0.0]

    def clock():
        return now[0]

    with caplog.at_level(logging.INFO, "mtl_export"), TrainingProgress(None, clock) as progress:
        progress.on_train_begin(ARGUMENTS, state_at(0), CONTROL)
        for step in range(1, 6):
            now[0] = float(next(seconds))
            progress.on_step_end(ARGUMENTS, state_at(step), CONTROL)
        now[0] = 150.0
        progress.on_log(ARGUMENTS, state_at(51), CONTROL, logs={"loss": 0.5})
    assert caplog.messages == [
        "step 5/100, about 5 minutes left",
        "step 51/100, training loss 0.5000, about 2 minutes 30 seconds left",
    ]


def test_an_evaluation_has_one_line_and_not_two(caplog):
    evaluating = SimpleNamespace(should_evaluate=True)
    with caplog.at_level(logging.INFO, "mtl_export"), TrainingProgress(None) as progress:
        progress.on_log(ARGUMENTS, state_at(50), evaluating, logs={"loss": 0.25})
    assert caplog.messages == []


def test_only_the_first_process_logs(caplog):
    progress = TrainingProgress(None)
    other = SimpleNamespace(**{**vars(state_at(10)), "is_world_process_zero": False})
    with caplog.at_level(logging.INFO, "mtl_export"):
        progress.on_log(ARGUMENTS, other, CONTROL, logs={"loss": 1.0})
        progress.on_evaluate(ARGUMENTS, other, CONTROL, metrics={"eval_score": 0.5})
    assert caplog.messages == []


def test_an_error_takes_the_bar_off_the_terminal():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    progress = TrainingProgress(console)
    with contextlib.suppress(KeyboardInterrupt), progress:
        follow(progress, losses={1: 0.5})
        raise KeyboardInterrupt
    assert console.file.getvalue().endswith("\x1b[?25h")  # the cursor is shown again
    with progress:  # a bar that is not drawn is no obstacle
        pass


def test_records_are_printed_unchanged_and_the_loggers_are_restored():
    console = Console(file=io.StringIO(), width=20)
    log = logging.getLogger("mtl_export.some.module")
    names = ("mtl_export", "mtl_runtime")
    before = [(logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in names]
    line = "[bold]a line[/bold] :smile: that is longer than the console, \x1b[2J with a label"
    with log_to_console(console):
        log.info(line)
        log.debug("hidden")
        log.warning("a warning")
    log.info("not shown any more")
    lines = [line.replace("\x1b", "\\u001b"), "WARNING mtl_export.some.module: a warning"]
    assert console.file.getvalue().splitlines() == lines
    assert [(logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in names] == before
    assert all(logging.getLogger(name).propagate for name in names)


def test_of_many_like_steps_one_is_shown_now_and_then(monkeypatch):
    console, seconds = Console(file=io.StringIO()), itertools.count(0, 4)
    monkeypatch.setattr("mtl_runtime.core.work.time.monotonic", lambda: next(seconds))
    with log_to_console(console):
        for number in range(6):
            logging.getLogger("mtl_export.graphs").info("trial %d", number, extra=step_work(1))
    assert console.file.getvalue().split("\n") == ["trial 0", "trial 3", ""]


def test_records_that_are_shown_already_are_not_printed_again(caplog):
    console = Console(file=io.StringIO())
    with caplog.at_level(logging.INFO), log_to_console(console):
        assert shows_info()
        logging.getLogger("mtl_export.training").info("a line")
    assert console.file.getvalue() == ""
    assert caplog.messages == ["a line"]


def test_a_run_that_is_perfect_and_goes_on_says_why_once(caplog):
    state = SimpleNamespace(global_step=10, max_steps=100, is_world_process_zero=True, epoch=1.0)
    with caplog.at_level(logging.INFO, "mtl_export"), TrainingProgress(None) as progress:
        for value in (1.0, 1.0, 0.9, 1.0, 1.0, 1.0, 1.0):
            progress.on_evaluate(SimpleNamespace(num_train_epochs=9), state, None, metrics={"eval_score": value})
    (line,) = [record.getMessage() for record in caplog.records if "goes on" in record.getMessage()]
    assert line.startswith("all validation answers were right 3 times in a row; training goes on")
    assert "early_stopping = 2 in [training]" in line


def test_early_stopping_ends_a_perfect_run_where_that_line_says_so():
    stopping, control = EarlyStopping(2), SimpleNamespace(should_training_stop=False)
    for count in (1, 2, 3):
        state = SimpleNamespace(log_history=[{"eval_score": 1.0}] * count)
        stopping.on_evaluate(None, state, control)
        assert control.should_training_stop is (count == 3)
