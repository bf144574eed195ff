"""onnxruntime's telemetry is off unless the user asks for it: no network, nothing in the user's folders."""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mtl_runtime.providers.session import import_onnxruntime
from tests.runtime.providers.run_guarded import MACHINES

ort = pytest.importorskip("onnxruntime")

GUARD = Path(__file__).with_name("run_guarded.py")
SWITCH = "ORT_DISABLE_TELEMETRY"
# onnxruntime sends nothing from machines that build software; these tests must also fail there.
BUILD_MACHINES = {"CI", "GITHUB_ACTIONS", "TF_BUILD"}
PREDICT = """
from mtl_runtime import load
classifier = load({bundle!r}{arguments})
assert classifier("the soup was great")["sentiment"].label == "positive"
assert len(list(classifier.stream(["good", "bad"] * 600))) == 1200
assert classifier.embed(["good"]).shape == (1, 8)
"""

guarded = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in MACHINES, reason="the filter of system calls is for Linux"
)


def has_telemetry():
    libraries = Path(ort.__file__).parent.joinpath("capi").glob("*pybind11_state*")
    return any(SWITCH.encode() in library.read_bytes() for library in libraries)


telemetry = pytest.mark.skipif(not has_telemetry(), reason="this onnxruntime has no telemetry")


def run(home, *arguments, **variables):
    """A fresh process whose user has the empty folder ``home``."""
    folders = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA", "TMPDIR"), str(home))
    kept = {name: value for name, value in os.environ.items() if name not in {SWITCH, *BUILD_MACHINES}}
    environment = {**kept, **folders, "PYTHONDONTWRITEBYTECODE": "1", **variables}
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=home, capture_output=True, text=True, check=False
    )


def predict(bundle, arguments=""):
    return PREDICT.format(bundle=str(bundle), arguments=arguments)


def files_in(folder):
    return [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]


@guarded
def test_loading_and_predicting_open_no_socket_and_change_no_file(bundle_path, tmp_path):
    done = run(tmp_path / "home", GUARD, predict(bundle_path, ", variant='cpu-fp32'"))
    assert (done.returncode, done.stderr) == (0, "")


@guarded
@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket()",
        "import ctypes; ctypes.CDLL(None).socket(2, 2, 0)",
        "import ctypes, threading; threading.Thread(target=ctypes.CDLL(None).socket, args=(2, 2, 0)).start()",
        "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', 'open(\"x\", \"w\")']).returncode)",
        "open('x', 'w')",
        "open('/dev/shm/x', 'a')",
        "import os; os.mkdir('x')",
    ],
)
def test_the_guard_ends_what_opens_a_socket_or_writes(tmp_path, code):
    done = run(tmp_path / "home", GUARD, code)
    assert done.returncode in {-signal.SIGSYS, 256 - signal.SIGSYS}
    assert files_in(tmp_path / "home") == []


@guarded
@telemetry
def test_the_guard_ends_an_onnxruntime_whose_telemetry_is_on(bundle_path, tmp_path):
    assert run(tmp_path / "home", GUARD, predict(bundle_path), **{SWITCH: "0"}).returncode == -signal.SIGSYS


def test_nothing_but_our_own_cache_appears_in_the_users_folders(measured_bundle, tmp_path):
    done = run(tmp_path / "home", "-c", predict(measured_bundle))
    assert (done.returncode, done.stderr) == (0, "")
    assert [name for name in files_in(tmp_path / "home") if not name.startswith("mtl-export/")] == []


@telemetry
def test_what_telemetry_stores_would_be_seen_there(bundle_path, tmp_path):
    run(tmp_path / "home", "-c", predict(bundle_path), **{SWITCH: "0"})
    assert any("onnxruntime" in name for name in files_in(tmp_path / "home"))


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0"), ("", "")])
def test_a_users_own_choice_about_telemetry_stays(monkeypatch, before, after):
    monkeypatch.setenv(SWITCH, "to be restored")
    if before is None:
        monkeypatch.delenv(SWITCH)
    else:
        monkeypatch.setenv(SWITCH, before)
    import_onnxruntime()
    assert os.environ[SWITCH] == after
