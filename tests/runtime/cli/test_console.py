"""What commands print on a console that is not UTF-8: escapes for what it lacks, and never a traceback."""

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mtl_runtime.cli import terminal
from mtl_runtime.cli.app import main

TEXT = "the soup was great 😀 \u0142"  # cp1252 and ASCII have neither
ENCODINGS = ["cp1252", "ascii", "shift_jis"]


@pytest.fixture(params=ENCODINGS)
def console(request, monkeypatch):
    """``console("predict", ...)`` on a console of that encoding -> exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*argv, stdin=None):
        result = CliRunner(charset=request.param).invoke(main, [str(arg) for arg in argv], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout_bytes.decode(request.param), result.stderr_bytes.decode(request.param)

    return run


@pytest.fixture(scope="module")
def bundle(measured_bundle, tmp_path_factory):
    """A copy, since ``mtl verify`` writes its evidence into it."""
    return shutil.copytree(measured_bundle, tmp_path_factory.mktemp("console") / "bundle")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["inspect"], "cpu-int8"),
        (["verify"], "Compared with"),
        (["verify", "--quick"], "cpu-int8: golden answers"),
        (["doctor"], "Golden answers on this machine"),
        (["predict", "--text", TEXT], "positive"),
        (["predict", "--text", TEXT, "--explain"], "great"),
    ],
)
def test_every_command_prints_its_tables(console, bundle, user_cache, command, expected):
    name, *options = command
    code, stdout, _ = console(name, bundle, *options)
    assert code == 0
    assert expected in stdout


def test_a_character_that_the_console_lacks_is_an_escape_and_columns_stay_aligned(console, measured_bundle):
    code, stdout, _ = console("predict", measured_bundle, "--text", TEXT, "--explain")
    assert code == 0
    assert r"\U0001f600" in stdout
    rows = [line for line in stdout.splitlines() if line.startswith("|")]
    assert len(rows) > 5
    assert len({len(line) for line in rows}) == 1


def test_json_is_ascii_there(console, measured_bundle):
    code, stdout, _ = console("predict", measured_bundle, "--text", TEXT, "--json")
    assert code == 0
    assert stdout.isascii()
    assert json.loads(stdout)[0]["text"] == TEXT


def test_json_stays_readable_on_a_console_that_is_utf_8(measured_bundle):
    result = CliRunner().invoke(main, ["predict", str(measured_bundle), "--text", TEXT, "--json"])
    assert TEXT in result.stdout


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_answers_on_stdout_are_utf_8_whatever_the_console_is(measured_bundle, encoding):
    argv = ["predict", str(measured_bundle), "-", "--tasks", "topics"]
    result = CliRunner(charset=encoding).invoke(main, argv, input=TEXT.encode() + b"\n")
    assert result.exit_code == 0
    assert result.stdout_bytes.decode("utf-8").splitlines() == ["text,topics", f"{TEXT},food"]


def test_an_error_about_a_name_that_the_console_lacks_exits_with_its_code(console, measured_bundle):
    code, stdout, stderr = console("predict", measured_bundle, "no-😀.csv")
    assert (code, stdout) == (2, "")
    assert stderr == "error: no-\\U0001f600.csv: cannot be opened: there is no such file\n"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize(
    "argv", [["pr\xe9dict"], ["--\xe9"], ["predict", "--\xe9"], ["predict", "b", "--threads", "\xe9"]]
)
def test_a_usage_error_is_in_the_encoding_of_the_console(encoding, argv):
    code = "import sys; from mtl_runtime.cli.app import main; sys.argv[0] = 'mtl'; main()"
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, check=False, env=environment)
    assert done.returncode == 2
    shown = {"cp1252": "\xe9", "ascii": r"\xe9"}[encoding]
    line = done.stderr.decode(encoding).splitlines()[-1]
    assert line.startswith("Error: ")
    assert shown in line


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("as_json", [False, True])
def test_a_file_whose_name_is_not_utf_8_is_read_and_written_and_shown_with_escapes(measured_bundle, tmp_path, as_json):
    source, target = tmp_path / os.fsdecode(b"in\xff.txt"), tmp_path / os.fsdecode(b"out\xff.csv")
    source.write_text("good\n", "utf-8")
    argv = ["predict", str(measured_bundle), str(source), "-o", str(target), *(["--json"] if as_json else [])]
    result = CliRunner().invoke(main, argv)
    assert result.exit_code == 0, result.output
    assert "positive" in target.read_text("utf-8")
    if as_json:
        assert json.loads(result.stdout)["output"] == str(target)
    again = CliRunner().invoke(main, argv)
    assert again.exit_code == 2
    assert r"out\udcff.csv exists already" in again.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_bundle_in_a_folder_whose_name_is_not_utf_8_says_so(bundle_path, tmp_path):
    folder = shutil.copytree(bundle_path, tmp_path / os.fsdecode(b"b\xff"))
    assert CliRunner().invoke(main, ["inspect", str(folder)]).exit_code == 0
    result = CliRunner().invoke(main, ["predict", str(folder), "--text", "good"])
    assert result.exit_code == 2
    assert r"b\udcff is not UTF-8, which onnxruntime needs; rename the folder" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_the_program_itself_prepares_its_streams(measured_bundle, encoding):
    code = "import sys; from mtl_runtime.cli.app import main; sys.argv[0] = 'mtl'; main()"
    argv = [sys.executable, "-c", code, "predict", str(measured_bundle), "--text", TEXT]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(argv, capture_output=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert r"\U0001f600" in done.stdout.decode(encoding)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_can_be_printed_as_a_line_and_in_a_table_in_any_encoding(text):
    for encoding in ENCODINGS:
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
        with redirect_stdout(stream):
            terminal.escape_unencodable()
            terminal.print_line(text)
            terminal.print_table(text, ("column",), [(text,)])
            stream.flush()
            shown = stream.buffer.getvalue().decode(encoding)
        expected = terminal.printable(text).encode(encoding, "backslashreplace").decode(encoding)
        assert shown.startswith(f"{expected}\n")


def test_a_spinner_turns_in_characters_that_the_console_has(monkeypatch):
    for encoding, name in (("utf-8", "dots"), ("cp1252", "line")):
        monkeypatch.setattr(Console, "encoding", encoding)
        assert terminal.spinner(Console()).spinner.name == name
