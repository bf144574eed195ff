"""What `make hostile` does with bundles: a few of each kind, and whether it would see a fault."""

import sys
import time
from dataclasses import replace
from itertools import islice

import pytest

from mtl_bench.studies.hostile.bundles import FLIPS, HostileBundle, flipped_bundles, hostile_bundles
from mtl_bench.studies.hostile.command import judge, try_bundles
from mtl_bench.studies.hostile.opener import Opened, Opener
from mtl_bench.studies.hostile.results import HostileResults, Outcomes
from mtl_bench.studies.hostile.tables import page_tables
from mtl_runtime.bundle.manifest import MANIFEST_NAME
from tests.runtime.conftest import TINY_BUNDLE


def attempts():
    return [*hostile_bundles(TINY_BUNDLE), *flipped_bundles(TINY_BUNDLE)]


def test_there_are_enough_attempts_of_each_kind():
    kinds = [attempt.kind for attempt in attempts()]
    assert sum(not kind.startswith("flipped") for kind in kinds) >= 400
    assert {kinds.count(kind) for kind in kinds if kind.startswith("flipped")} == {FLIPS}
    assert {"manifests", "tokenizers", "graphs: structure", "graphs: cost"} <= set(kinds)


@pytest.mark.skipif(sys.platform == "win32", reason="select waits for sockets alone there")
def test_some_of_each_kind_do_no_harm():
    some = [attempt for attempt in islice(attempts(), 0, None, 40) if attempt.kind != "graphs: cost"]
    assert len(some) > 30
    assert [(tried.name, fault) for tried, _, fault in try_bundles(TINY_BUNDLE, some) if fault] == []


ATTEMPT = HostileBundle(kind="manifests", name="x", make=lambda _: None, expected="either")
SOUND = [{"task": "'a'"}]


@pytest.mark.parametrize(
    ("expected", "opened", "fault"),
    [
        ("refused", Opened(0.1, refused="no"), None),
        ("refused", Opened(0.1, decisions=SOUND), "it answers"),
        ("same", Opened(0.1, refused="no"), "refused: no"),
        ("same", Opened(0.1, decisions=SOUND), None),
        ("same", Opened(0.1, decisions=[]), "another answer"),
        ("either", Opened(0.1, decisions=[]), "another answer"),
        ("anything", Opened(0.1, decisions=[]), None),
        ("anything", Opened(0.1, fault="a traceback"), "a traceback"),
    ],
)
def test_a_fault_is_what_should_not_have_become_of_an_attempt(expected, opened, fault):
    found = judge(replace(ATTEMPT, expected=expected), opened, SOUND)
    assert found == fault or (fault is not None and found.startswith(fault))


@pytest.mark.skipif(sys.platform == "win32", reason="select waits for sockets alone there")
def test_a_crash_a_hang_and_a_traceback_are_seen_and_the_next_bundle_is_opened(monkeypatch, tmp_path):
    script = tmp_path / "opener.py"
    script.write_text(
        "import json, os, sys, time\n"
        "for line in sys.stdin:\n"
        "    name = json.loads(line)['bundle']\n"
        "    if name == 'crash': os.abort()\n"
        "    if name == 'hang': time.sleep(60)\n"
        "    answer = {'trace': {'traceback': 'x'}, 'long': {'refused': 'a' * 501}}.get(name, {'refused': 'no'})\n"
        "    print(json.dumps(answer), flush=True)\n"
    )
    monkeypatch.setattr("mtl_bench.studies.hostile.opener._COMMAND", (sys.executable, str(script)))
    start = time.monotonic()
    with Opener() as opener:
        found = {
            name: opener.open(name, variant="", seconds=1.0) for name in ("crash", "hang", "trace", "long", "fine")
        }
    assert found["crash"].fault == "the process ended with -6"
    assert found["hang"].fault == "no answer within 1 s"
    assert found["trace"].fault == "a traceback: x"
    assert found["long"].fault.startswith("not one line of 500 characters")
    assert (found["fine"].fault, found["fine"].refused) == (None, "no")
    assert time.monotonic() - start < 30


def test_outcomes_are_counted_and_tabulated():
    outcomes = Outcomes(attempts=0, refused=0, answered=0)
    outcomes = outcomes.with_outcome("a", refused=True, fault=None, seconds=0.1)
    outcomes = outcomes.with_outcome("b", refused=False, fault=None, seconds=2.0)
    outcomes = outcomes.with_outcome("c", refused=False, fault="bad", seconds=1.0)
    results = HostileResults(
        kinds={"manifests": outcomes}, versions={"numpy": "2"}, processor="x", cores=2, measured_at="2026-11-26T00:00"
    )
    tables = page_tables(results)
    assert "| manifests | 3 | 1 | 1 | 1 | 2.0 |" in tables["hostile"]
    assert tables["where"] == "x, 2 cores; numpy 2; 2026-11-26.\n"


def test_flips_keep_the_hashes_and_change_one_byte(tmp_path):
    flip = next(flipped_bundles(TINY_BUNDLE))
    before = (TINY_BUNDLE / MANIFEST_NAME).read_bytes()
    (tmp_path / MANIFEST_NAME).write_bytes(before)
    flip.make(tmp_path)
    after = (tmp_path / MANIFEST_NAME).read_bytes()
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
