"""What else happened on the machine during a run, and the warnings that follow."""

import dataclasses
import os
import subprocess
import sys

import pytest

from mtl_bench.analysis.warnings import system_warnings
from mtl_bench.results.scenarios import Memory, Offline, SingleStream
from mtl_bench.results.schema import AnswerScores, Conditions, SystemResult
from mtl_bench.suite import conditions
from mtl_bench.suite.conditions import ConditionsWatch, condition_warnings

QUIET = Conditions(
    started_at="2026-01-01T00:00:00+00:00",
    seconds=60.0,
    load_before=0.1,
    steal=0.0,
    throttled=None,
    governor=None,
)
STEADY = ((1.0, 1.01, 0.99), (1.0, 1.0, 1.02), (1.0, 1.0, 1.0))
SOUND = SystemResult(
    title="ours, cpu-int8",
    kind="ours",
    command="mtl bench",
    precision="int8",
    status="verified",
    answers=AnswerScores(agreement={"sentiment": 0.99}),
    offline=Offline(texts=10, unit="tokens", size=512, sweep=(), seconds=STEADY),
    memory=Memory(loaded=(1,), peak=(100,), early=(100,), soaked=(105,), soak_calls=50),
)


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A made-up /proc and cgroup."""
    monkeypatch.setattr(conditions, "_STAT", tmp_path / "stat")
    monkeypatch.setattr(conditions, "_GOVERNOR", tmp_path / "governor")
    monkeypatch.setattr(conditions, "_THROTTLED", ((tmp_path / "cpu.stat", "throttled_usec", 1e6),))
    return tmp_path


def test_conditions_hold_what_the_system_counted_between_begin_and_end(system):
    (system / "stat").write_text("cpu 100 0 100 700 0 0 0 100 0 0\n")
    (system / "cpu.stat").write_text("usage_usec 5\nthrottled_usec 1000000\n")
    (system / "governor").write_text("powersave\n")
    watch = ConditionsWatch.begin()
    (system / "stat").write_text("cpu 150 0 100 730 0 0 0 120 0 0\n")
    (system / "cpu.stat").write_text("usage_usec 9\nthrottled_usec 3500000\n")
    ended = watch.end()
    assert ended.steal == pytest.approx(20 / 100)
    assert ended.others == pytest.approx(50 / 100, abs=0.05)  # less what this process computed meanwhile
    assert ended.throttled == pytest.approx(2.5)
    assert ended.governor == "powersave"
    assert ended.seconds >= 0


def test_what_a_system_does_not_report_is_none(system):
    conditions_now = ConditionsWatch.begin().end()
    shown = (conditions_now.steal, conditions_now.others, conditions_now.throttled, conditions_now.governor)
    assert shown == (None, None, None, None)


def test_what_the_run_itself_and_its_processes_compute_is_not_other_work(monkeypatch):
    # The very ticks of this process: only a counter that leaves them out finds nothing.
    busy = "import time\nstart = time.process_time()\nwhile time.process_time() - start < 0.5: pass"
    monkeypatch.setattr(conditions, "_read", lambda _: f"cpu {round(sum(os.times()[:4]) * 100)} 0 0 0 0 0 0 100 0 0")
    monkeypatch.setattr(os, "sysconf", lambda _: 100)
    watch = ConditionsWatch.begin()
    subprocess.run([sys.executable, "-c", busy], check=True)
    assert watch.end().others == pytest.approx(0.0, abs=0.05)


def test_a_quiet_steady_run_has_no_warnings():
    assert condition_warnings(QUIET, STEADY, cores=2) == ()
    assert system_warnings(SOUND) == ()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"load_before": 1.5}, "other work: 1.5 processes"),
        ({"steal": 0.05}, "stolen time: the hypervisor gave 5.0 %"),
        ({"others": 0.2}, "other processes took 20 % of the cores' time during the run"),
        ({"throttled": 2.0}, "stopped it for 2.0 s"),
        ({"governor": "powersave"}, "the governor is powersave"),
    ],
)
def test_each_disturbance_has_its_warning(changed, words):
    (warning,) = condition_warnings(dataclasses.replace(QUIET, **changed), STEADY, cores=2)
    assert words in warning


def test_a_reference_product_that_varies_is_a_warning_about_the_whole_run():
    (warning,) = condition_warnings(QUIET, ((1.0, 1.0, 1.3), (1.3, 1.0, 1.0)), cores=2)
    assert "unsteady machine" in warning


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"seconds": ((1.0, 1.0, 1.0),) * 2}, "too few fresh processes (2)"),
        ({"seconds": ((1.0, 1.0, 1.4), (1.0, 1.0, 1.0))}, "the slowest round took 1.40 times"),
        ({"seconds": ((1.0, 1.0, 1.0), (1.2, 1.2, 1.2))}, "its processes differ"),
    ],
)
def test_unsteady_times_are_a_warning_about_their_row(changed, words):
    row = dataclasses.replace(SOUND, offline=dataclasses.replace(SOUND.offline, **changed))
    assert any(words in warning for warning in system_warnings(row))


def test_processes_whose_slowest_single_texts_differ_are_a_warning_about_their_row():
    latencies = ((0.01,) * 99 + (0.02,), (0.01,) * 98 + (0.5,) * 2)
    row = dataclasses.replace(SOUND, single_stream=SingleStream(latencies=latencies))
    assert "single texts: p99 lies between 10 and 500 ms in its processes" in system_warnings(row)


def test_growing_memory_wrong_answers_and_a_missing_verdict_are_warnings_about_their_row():
    row = dataclasses.replace(
        SOUND,
        status="unverified",
        answers=AnswerScores(agreement={"sentiment": 0.9}),
        memory=Memory(loaded=(1,), peak=(100,), early=(100,), soaked=(150,), soak_calls=50),
    )
    text = " / ".join(system_warnings(row))
    assert "1.50 times in 50 calls" in text
    assert "90.0 % of cpu-fp32's answers" in text
    assert "unverified" in text
