"""What ``mtl`` writes to stderr about its work: nothing but warnings, with -v the project's log, with -vv every log."""

import logging
import os
import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from mtl_runtime.cli.app import main
from mtl_runtime.cli.stages import stages

PACKAGES = ["mtl_runtime", "mtl_export", "mtl_bench"]
OWN = "mtl_export.gate"
OTHER = "onnxscript.optimizer"
BROKEN = ("%d of %d", 1)  # an argument is missing


def mtl(*argv):
    return CliRunner().invoke(main, [str(arg) for arg in argv])


@pytest.fixture
def logging_command(monkeypatch):
    """``mtl ARGV`` with a command in place of the real ones, which calls the decorated function."""

    def run(work, *argv):
        command = click.Command("work", callback=work)
        monkeypatch.setattr(type(main), "get_command", lambda _group, _ctx, _name: command)
        return CliRunner().invoke(main, [*argv, "work"])

    return run


@pytest.fixture
def set_level():
    """``set_level(name, level)`` until the end of the test."""
    before = {}

    def change(name, level):
        before.setdefault(name, logging.getLogger(name).level)
        logging.getLogger(name).setLevel(level)

    yield change
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def log_everything():
    for name in (OWN, OTHER):
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logging.getLogger(name).log(level, "%s of %d", logging.getLevelName(level).lower(), 3)


@pytest.mark.parametrize(
    ("argv", "lines"),
    [
        ([], [f"WARNING {OWN}: warning of 3", f"WARNING {OTHER}: warning of 3"]),
        (["-v"], [f"INFO {OWN}: info of 3", f"WARNING {OWN}: warning of 3", f"WARNING {OTHER}: warning of 3"]),
        (
            ["-vv"],
            [
                f"{level} {name}: {level.lower()} of 3"
                for name in (OWN, OTHER)
                for level in ("DEBUG", "INFO", "WARNING")
            ],
        ),
    ],
)
def test_each_v_shows_more_of_the_log_with_level_and_module(logging_command, argv, lines):
    result = logging_command(log_everything, *argv)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == lines
    assert result.stdout == ""


def test_one_v_hides_what_another_package_logs_at_a_level_of_its_own(logging_command, set_level):
    set_level(OTHER, logging.DEBUG)
    assert f"INFO {OTHER}" not in logging_command(log_everything, "-v").stderr


@pytest.mark.parametrize("argv", [[], ["-v"], ["-vv"]])
def test_a_command_leaves_levels_and_handlers_as_they_were(logging_command, argv):
    loggers = [logging.getLogger(name) for name in (None, *PACKAGES)]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    logging_command(log_everything, *argv)
    assert [(logger.level, list(logger.handlers)) for logger in loggers] == before


def test_control_characters_in_the_log_are_escaped(logging_command):
    result = logging_command(lambda: logging.getLogger(OWN).warning("%s", "a\x1b]0;title\x07"))
    assert result.stderr == f"WARNING {OWN}: a\\u001b]0;title\\u0007\n"


def test_a_broken_record_does_not_end_the_command(logging_command, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    result = logging_command(lambda: logging.getLogger(OWN).warning(*BROKEN))
    assert result.exit_code == 0


def test_v_shows_the_bundle_the_provider_and_the_rows_but_no_text(measured_bundle, tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("text\nthe secret soup\nbad\n")
    result = mtl("-v", "predict", measured_bundle, source, "-o", target)
    assert result.exit_code == 0, result.output
    opening = rf"INFO mtl_runtime\.loading\.load: opening cpu-fp32 of {re.escape(str(measured_bundle))}: .+ threads?"
    assert re.search(opening, result.stderr)
    assert (
        f"INFO mtl_runtime.bulk.resumable: 2 rows of {source} were written to {target}, 0 were left out"
        in result.stderr
    )
    assert "DEBUG" not in result.stderr
    assert "secret" not in result.stderr
    assert mtl("predict", measured_bundle, source, "-o", target, "--force").stderr == "2 rows written\n"


def test_v_shows_at_which_chunk_a_job_was_resumed(bundle_path, tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text('{"text": "good"}\n' * 2048 + '{"text": null}\n')
    argv = ["predict", bundle_path, source, "-o", target]
    assert mtl(*argv).exit_code == 2
    result = mtl("-v", *argv, "--resume", "--on-bad-row", "skip")
    assert result.exit_code == 0, result.output
    assert f"INFO mtl_runtime.bulk.work_folder: resuming {target} at chunk 1, with 2048 rows done" in result.stderr


def test_vv_shows_each_chunk(bundle_path, tmp_path):
    (tmp_path / "in.txt").write_text("the secret soup\n")
    result = mtl("-vv", "predict", bundle_path, tmp_path / "in.txt", "-o", tmp_path / "out.csv")
    assert "DEBUG mtl_runtime.bulk.resumable: chunk 0 is stored: 1 rows, 0 bad ones" in result.stderr
    assert "secret" not in result.stderr


def test_an_error_of_the_system_shows_its_place_with_v_alone(logging_command):
    def work():
        raise OSError(28, "No space left on device", "/out")

    quiet, verbose = logging_command(work), logging_command(work, "-v")
    assert quiet.stderr == "error: No space left on device: /out\n"
    assert "Traceback" in verbose.stderr
    assert verbose.stderr.endswith(quiet.stderr)
    assert quiet.exit_code == verbose.exit_code == 2


def test_without_a_terminal_stages_are_the_messages_alone(capsys):
    with stages():
        logging.getLogger("mtl_runtime.gate.verify").info("%d sentences", 8)
        logging.getLogger("mtl_bench.suite").info("launch 1\x07")
        logging.getLogger("mtl_export.gate").debug("a detail")
        logging.getLogger(OTHER).info("chatter")
    assert capsys.readouterr() == ("", "8 sentences\nlaunch 1\\u0007\n")


def test_a_warning_is_no_stage(capsys):
    with stages():
        logging.getLogger(OWN).warning("careful")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("argv", "lines"), [([], ["a stage"]), (["-v"], [f"INFO {OWN}: a stage"])])
def test_no_stage_appears_twice(logging_command, argv, lines):
    def work():
        with stages():
            logging.getLogger(OWN).info("a stage")

    assert logging_command(work, *argv).stderr.splitlines() == lines


@pytest.mark.parametrize("level", [logging.NOTSET, logging.ERROR])
def test_stages_restore_levels_and_handlers_whatever_ends_the_block(level, set_level):
    def fail():
        with stages():
            assert all(logger.isEnabledFor(logging.INFO) for logger in loggers)
            raise KeyboardInterrupt

    for name in PACKAGES:
        set_level(name, level)
    loggers = [logging.getLogger(name) for name in PACKAGES]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [(logger.level, list(logger.handlers)) for logger in loggers] == before


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_on_a_terminal_the_stage_at_work_is_a_line_with_a_spinner():
    code = """
import logging, time
from mtl_runtime.cli.stages import stages
log = logging.getLogger("mtl_export.gate")
with stages():
    for line in ("cpu-int8: speed", "[bold]no markup[/bold]\\x07"):
        log.info(line)
        time.sleep(0.3)
"""
    master, slave = os.openpty()
    with os.fdopen(master, "rb", buffering=0) as screen:
        subprocess.run(
            [sys.executable, "-c", code],
            stderr=slave,
            check=True,
            env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
        )
        os.close(slave)
        shown = screen.read(2**16).decode()
    assert "cpu-int8: speed" in shown
    assert "[bold]no markup[/bold]\\u0007" in shown
    assert shown.count("\n") <= 2  # each stage is drawn over the one before it


def test_a_broken_stage_does_not_end_the_block(monkeypatch, capsys):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with stages():
        logging.getLogger(OWN).info(*BROKEN)
        logging.getLogger(OWN).info("next")
    assert capsys.readouterr().err == "next\n"
