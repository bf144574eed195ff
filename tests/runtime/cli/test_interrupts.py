"""Ctrl-C at any moment of a command: no traceback, exit code 130, and nothing half done."""

import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from mtl_runtime.cli.app import main
from mtl_runtime.cli.interrupts import UnwindAtInterrupt, exit_at_interrupt

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")

STARTED = "import sys; from mtl_runtime.cli.start import main; print('started', file=sys.stderr, flush=True); main()"
# Here main() has done its first step, before which the interpreter's own handler is at work.
QUIET = (
    "import signal; from mtl_runtime.cli.start import exit_interrupted; signal.signal(signal.SIGINT, exit_interrupted);"
)
MOMENTS = 12


def interrupt(argv, delay, *, stdin=None):
    """Start ``mtl`` and interrupt it after ``delay`` seconds; its exit code and stderr, and how long it ran."""
    streams = {"stdin": stdin or subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        [sys.executable, "-c", f"{QUIET} {STARTED}", *map(str, argv)], **streams, text=True
    ) as process:
        assert process.stderr.readline() == "started\n"
        start = time.monotonic()
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    return process.returncode, stderr, time.monotonic() - start


@pytest.mark.parametrize("command", ["help", "inspect", "predict", "file"])
def test_ctrl_c_is_quiet_at_any_moment(bundle_path, tmp_path, command):
    source, target = tmp_path / "in.txt", tmp_path / "out.csv"
    source.write_text("the soup was good\n" * 3000)
    argv = {
        "help": ["--help"],
        "inspect": ["inspect", bundle_path],
        "predict": ["predict", bundle_path, "--text", "good"],
        "file": ["predict", bundle_path, source, "-o", target, "--resume"],
    }[command]
    code, stderr, whole = interrupt(argv, 60)
    assert code == 0, stderr
    target.unlink(missing_ok=True)
    codes = []
    for moment in range(MOMENTS):
        code, stderr, _ = interrupt(argv, whole * moment / MOMENTS)
        assert "Traceback" not in stderr, (moment, stderr)
        assert "Aborted" not in stderr
        # At the very end the interpreter has given the signal back, whose default is to end the process.
        assert code in (0, 130, -signal.SIGINT), (moment, stderr)
        codes.append(code)
        assert not target.exists() or code in (0, -signal.SIGINT) or target.read_text().count("\n") == 3001
        target.unlink(missing_ok=True)
    assert 130 in codes


def test_the_program_is_quiet_before_it_imports_the_command_line():
    stub = "types.SimpleNamespace(main=lambda: signal.raise_signal(signal.SIGINT))"
    code = f"import signal, sys, types; sys.modules['mtl_runtime.cli.app'] = {stub}; {STARTED}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "started\n")


def test_ctrl_c_while_a_stream_is_awaited_leaves_nothing(bundle_path, tmp_path):
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as stdin, os.fdopen(writer, "wb"):
        code, stderr, _ = interrupt(["predict", bundle_path, "-", "-o", tmp_path / "out.csv"], 5, stdin=stdin)
    assert (code, stderr.splitlines()[-1]) == (130, "interrupted")
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_turns_ctrl_c_into_another_error_does_not_hide_it():
    error = ImportError("numpy._core.multiarray failed to import")
    error.add_note("how to continue")

    def import_numpy():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise error from None

    with pytest.raises(KeyboardInterrupt) as caught, exit_at_interrupt(), UnwindAtInterrupt():
        import_numpy()
    assert caught.value.__cause__ is error
    assert caught.value.__notes__ == ["how to continue"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_a_destructor_comes_after_it():
    class Interrupted:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    reached = False
    with pytest.raises(KeyboardInterrupt), exit_at_interrupt(), UnwindAtInterrupt():  # noqa: PT012
        Interrupted()
        for _ in range(1000):
            time.sleep(0.001)
        reached = True
    assert not reached


def test_an_error_without_ctrl_c_passes_unchanged():
    with pytest.raises(ImportError, match="other"), exit_at_interrupt(), UnwindAtInterrupt():
        raise ImportError("other")


def test_a_command_in_this_process_leaves_the_handler_as_it_was():
    before = signal.getsignal(signal.SIGINT)
    assert CliRunner().invoke(main, ["--help"]).exit_code == 0
    assert signal.getsignal(signal.SIGINT) is before


def test_a_job_in_the_background_goes_on_ignoring_ctrl_c(bundle_path):
    code = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {STARTED}"
    argv = [sys.executable, "-c", code, "predict", bundle_path, "--text", "good"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline() == "started\n"
        for _ in range(5):
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "positive" in stdout
