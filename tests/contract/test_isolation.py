"""What crashes, hangs or eats memory in a child process is one line here, even if no scan has refused it before."""

import re
import shutil
import sys
import time

import pytest

from mtl_bench.studies.hostile.graphs import COMPUTING_GRAPHS, STRUCTURES
from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import BundleError, MtlError
from mtl_runtime.gate.verify import verify
from mtl_runtime.loading.isolation import check
from mtl_runtime.loading.isolation.check import check_in_child

resource = pytest.importorskip("resource", reason="only the wall clock limits a child on Windows")

WITHOUT_SCAN = (
    "from mtl_runtime.providers import variant_session; variant_session.scan_graph = lambda *_, **__: None; "
    "from mtl_runtime.loading.isolation.child import main; main()"
)
UNSCANNED = {
    name: STRUCTURES[name]
    for name in (
        "chain of 3,000 local functions",
        "functions that double 24 times",
        "endless loop",
        "loop of 2^40 rounds",
        "weight of length 2^62",
        "weight in a folder above",
        "weight from a device",
        "compiled context",
        "operator of a custom domain",
        "half of the file",
        "weight with its values twice",
    )
}
KNOWN_TO_ANSWER = {"weight with its values twice"}  # onnxruntime reads one of both: what the scan is for


def problem_of(bundle):
    """What a child says of cpu-fp32, and the processor time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        problems = check_in_child(Bundle.open(bundle), ["cpu-fp32"])
        message = str(problems["cpu-fp32"].error) if problems else None
    except BundleError as error:
        message = str(error)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return message, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("name", UNSCANNED)
def test_a_structure_that_no_scan_refused_is_one_line_in_the_caller(bundle_copy, monkeypatch, name):
    monkeypatch.setattr(check, "_CHILD", ("-c", WITHOUT_SCAN))
    UNSCANNED[name](bundle_copy)
    message, seconds = problem_of(bundle_copy)
    assert seconds < 5
    if message is None:
        assert name in KNOWN_TO_ANSWER
        return
    assert "\n" not in message
    assert len(message) <= 500


@pytest.mark.parametrize("name", COMPUTING_GRAPHS)
def test_what_computes_for_ever_or_needs_all_memory_is_one_line_in_the_caller(bundle_copy, name):
    COMPUTING_GRAPHS[name](bundle_copy)
    message, seconds = problem_of(bundle_copy)
    assert seconds < 5
    assert message is not None
    assert "\n" not in message
    assert len(message) <= 500


@pytest.mark.parametrize("name", ["products of matrices for minutes"])
def test_load_isolated_and_verify_say_what_ended_the_child_and_how_to_raise_the_limit(bundle_copy, name):
    COMPUTING_GRAPHS[name](bundle_copy)
    with pytest.raises(BundleError, match="MTL_ISOLATION_SCALE=4 in the environment"):
        load(bundle_copy, variant="cpu-fp32", isolate=True)
    report = verify(bundle_copy, quick=True)
    failed = [one for one in report.checks if one.passed is False]
    assert [one.name for one in failed] == ["opens in a child process"]
    # Which limit is reached first depends on how much of a core the child is given.
    assert re.search("processor time|GiB of memory|did not end within", failed[0].detail)


def test_a_sound_bundle_is_opened_isolated_and_answers_as_always(bundle_path, tmp_path):
    bundle = shutil.copytree(bundle_path, tmp_path / "bundle")
    texts = ["The soup was good.", ""]
    isolated, plain = load(bundle, isolate=True), load(bundle)
    assert isolated(texts) == plain(texts)


def test_the_wall_clock_ends_a_child_that_does_nothing(bundle_path, monkeypatch):
    monkeypatch.setattr(check, "_CHILD", ("-c", "import time; time.sleep(60)"))
    bundle = Bundle.open(bundle_path)
    limits = check.IsolationLimits(cpu_seconds=1, wall_seconds=0.5, memory=None)
    start = time.monotonic()
    with pytest.raises(BundleError, match=r"did not end within 0\.5 s"):
        check_in_child(bundle, limits=limits)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "answer", ["", "[]", "{", '{"cpu-fp32": 1}', '{"cpu-fp32": {"error": "SystemExit"}}', "[" * 10**5]
)
def test_a_child_that_answers_nonsense_is_no_sound_bundle(bundle_path, monkeypatch, answer):
    monkeypatch.setattr(check, "_CHILD", ("-c", f"import sys; sys.stdout.write({answer!r})"))
    with pytest.raises(BundleError, match="gave no answer"):
        check_in_child(Bundle.open(bundle_path))


def test_a_bundle_that_was_replaced_meanwhile_is_refused(bundle_copy, change_manifest):
    bundle = Bundle.open(bundle_copy)
    change_manifest(bundle_copy, made_with={"mtl-export": "9"})
    (problem,) = check_in_child(bundle, ["cpu-fp32"]).values()
    assert "changed meanwhile" in str(problem.error)


def test_a_module_in_the_working_folder_does_not_run_in_the_child(bundle_path, tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit(7)", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert check_in_child(Bundle.open(bundle_path), ["cpu-fp32"]) == {}


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "much", "1e999"])
def test_a_scale_that_is_no_positive_number_is_named(bundle_path, monkeypatch, scale):
    monkeypatch.setenv("MTL_ISOLATION_SCALE", scale)
    with pytest.raises(MtlError, match=r"MTL_ISOLATION_SCALE is .*; it must be a number above 0"):
        load(bundle_path, isolate=True)


def test_a_variant_that_cannot_run_here_keeps_no_other_from_being_chosen(bundle_copy, change_manifest):
    variants = {
        name: {"graph": "model.onnx", "provider": provider, "provider_options": {}}
        for name, provider in (("cpu-fp32", "cpu"), ("cuda-fp32", "cuda"))
    }
    change_manifest(bundle_copy, variants=variants)
    assert load(bundle_copy, isolate=True).info.variant == "cpu-fp32"
