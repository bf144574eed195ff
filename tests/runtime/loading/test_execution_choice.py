"""How many runs at once, of how many threads: by the cores allowed, by what was measured, or by hand."""

import json
import logging
import os
import secrets
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core.machine import allowed_cores, machine_facts
from mtl_runtime.errors import MtlError, ProviderError
from mtl_runtime.evidence.files import read_evidence_summaries
from mtl_runtime.gate.autotune import autotune
from mtl_runtime.gate.verify import verify
from mtl_runtime.loading.execution_choice import measured_execution
from mtl_runtime.loading.variant_choice import KnownEvidence
from mtl_runtime.providers.execution_config import (
    ExecutionConfig,
    candidate_batch_tokens,
    default_execution,
    worker_layouts,
)
from mtl_runtime.providers.registry import PROVIDERS

TEXTS = [f"good soup {'and bad ' * (index % 5)}{index}" for index in range(64)]
providers = st.sampled_from(list(PROVIDERS))
cores = st.integers(min_value=1, max_value=256)

ALONE = """
    import os, sys
    if sys.argv[2] == "affinity":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import json, time
    from mtl_runtime import load
    classifier = load(sys.argv[1])
    classifier(f"good {index} " + "and bad " * (index % 9) for index in range(500))
    latency = load(sys.argv[1], optimize_for="latency")
    info = classifier.info
    # A thread that has ended for Python is listed until the system has had a moment for it.
    listed = []
    for _ in range(20):
        listed.append(len(os.listdir("/proc/self/task")))
        time.sleep(0.05)
    print(json.dumps([info.workers, info.threads, latency.info.threads, min(listed)]))
"""


def alone(bundle_path, limit, **options):
    code = [sys.executable, "-c", textwrap.dedent(ALONE), str(bundle_path), limit]
    done = subprocess.run(code, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_one_core_by_affinity_means_one_worker_of_one_thread(bundle_path):
    workers, threads, lone, running = alone(bundle_path, "affinity")
    assert (workers, threads, lone) == (1, 1, 1)
    assert running <= 4  # the main one, the worker, and the tokenizer library's


@pytest.fixture
def quota_of_one_core():
    """A cgroup (v1 or v2) with a CPU quota of one core; yields the file that takes a process into it."""
    for folder, limits in (
        (Path("/sys/fs/cgroup/cpu"), {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"}),
        (Path("/sys/fs/cgroup"), {"cpu.max": "100000 100000"}),
    ):
        group = folder / f"mtl-test-{secrets.token_hex(4)}"
        try:
            group.mkdir()
            for name, limit in limits.items():
                (group / name).write_text(limit)
        except OSError:
            if group.is_dir():
                group.rmdir()
            continue
        yield group / "cgroup.procs"
        group.rmdir()
        return
    pytest.skip("no cgroup can be made here")


def test_one_core_by_cgroup_quota_means_one_worker_of_one_thread(bundle_path, quota_of_one_core):
    def enter():
        quota_of_one_core.write_text(str(os.getpid()))

    workers, threads, lone, _ = alone(bundle_path, "quota", preexec_fn=enter)
    assert (workers, threads, lone) == (1, 1, 1)


@given(providers, cores, st.sampled_from(["throughput", "latency"]))
def test_the_default_computes_on_no_more_cores_than_are_allowed(provider, allowed, optimize_for):
    config = default_execution(provider, threads=allowed, optimize_for=optimize_for)
    if not PROVIDERS[provider].is_device:
        assert config.workers * config.threads == allowed
    if optimize_for == "latency":
        assert config.workers == 1


@given(providers, cores)
def test_layouts_go_from_a_run_on_each_core_to_one_run_on_all(provider, allowed):
    tried = list(worker_layouts(provider, threads=allowed))
    assert len(set(tried)) == len(tried)
    if not PROVIDERS[provider].is_device:
        assert (tried[0], tried[-1]) == ((allowed, 1), (1, allowed))
        assert all(workers * threads <= allowed for workers, threads in tried)
    assert default_execution(provider, threads=allowed, optimize_for="throughput").workers in {w for w, _ in tried}
    assert PROVIDERS[provider].max_batch_tokens in candidate_batch_tokens(provider)


def test_an_unknown_provider_has_no_default():
    with pytest.raises(ProviderError, match="unknown provider 'abacus'"):
        default_execution("abacus", threads=1, optimize_for="latency")


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"threads": 4}, (4, 1)),
        ({"threads": 4, "optimize_for": "latency"}, (1, 4)),
        ({"threads": 4, "workers": 2}, (2, 2)),
        ({"threads": 5, "workers": 2}, (2, 2)),
    ],
)
def test_threads_are_divided_among_the_workers(bundle_path, wish, expected):
    info = load(bundle_path, max_batch_tokens=77, **wish).info
    assert (info.workers, info.threads, info.max_batch_tokens) == (*expected, 77)
    asked = "workers and max_batch_tokens" if "workers" in wish else "max_batch_tokens"
    threads = "thread" if info.threads == 1 else "threads"
    assert f"; {info.workers} x {info.threads} {threads}, batches of 77 tokens: {asked} asked for; " in info.reason


def test_more_workers_than_threads_are_refused(bundle_path):
    with pytest.raises(MtlError, match="4 workers cannot share 1 threads"):
        load(bundle_path, threads=1, workers=4)


@pytest.mark.parametrize(("name", "value"), [("threads", "2"), ("workers", True), ("max_batch_tokens", 512.0)])
def test_what_is_no_whole_number_is_refused_by_name(bundle_path, name, value):
    with pytest.raises(TypeError, match=f"{name} is {value!r}; it must be a whole number"):
        load(bundle_path, **{name: value})


def test_what_verify_measured_is_what_load_takes(bundle_copy):
    report = verify(bundle_copy)
    measured = report.evidence.variants["cpu-fp32"].execution
    info = load(bundle_copy, variant="cpu-fp32").info
    assert (info.workers, info.threads, info.max_batch_tokens) == (
        measured.workers,
        measured.threads,
        measured.max_batch_tokens,
    )
    assert "measured on this kind of machine" in info.reason
    assert "measured" not in load(bundle_copy, variant="cpu-fp32", threads=1).info.reason
    assert "measured" not in load(bundle_copy, variant="cpu-fp32", optimize_for="latency").info.reason


def measured(summaries, version, *, machine=None, cores=None, variant="cpu-fp32"):
    here = machine_facts()
    evidence = KnownEvidence.of(summaries, machine or here, onnxruntime=version)
    return measured_execution(evidence.here, variant, cores=cores or here.cores_allowed)


def test_a_config_of_another_number_of_cores_or_another_onnxruntime_is_not_taken(bundle_copy):
    report = verify(bundle_copy)
    version = report.evidence.made_with["onnxruntime"]
    summaries = read_evidence_summaries(Bundle.open(bundle_copy))
    assert measured(summaries, version) == report.evidence.variants["cpu-fp32"].execution
    assert measured(summaries, version, cores=machine_facts().cores_allowed + 1) is None
    assert measured(summaries, "0.9") is None
    assert measured(summaries, version, variant="cuda-fp32") is None


def test_the_latest_config_counts(bundle_copy):
    verify(bundle_copy)
    (known,) = read_evidence_summaries(Bundle.open(bundle_copy))
    later = ExecutionConfig(workers=1, threads=7, max_batch_tokens=99)
    variants = {name: replace(summary, execution=later) for name, summary in known.variants.items()}
    newer = replace(known, measured_at="2999-01-01", variants=variants)
    version = known.made_with["onnxruntime"]
    for order in ([known, newer], [newer, known]):
        assert measured(order, version) == later


def test_a_config_of_the_users_own_sentences_comes_before_one_of_the_golden_texts(bundle_copy):
    verify(bundle_copy)
    (golden,) = read_evidence_summaries(Bundle.open(bundle_copy))
    own = ExecutionConfig(workers=3, threads=1, max_batch_tokens=77)
    variants = {name: replace(summary, execution=own) for name, summary in golden.variants.items()}
    earlier = replace(golden, measured_at="2001-01-01", variants=variants, data={"mine.csv": FileSpec.of(b"text")})
    version = golden.made_with["onnxruntime"]
    for order in ([golden, earlier], [earlier, golden]):
        assert measured(order, version) == own


def test_evidence_of_the_schema_before_is_read(bundle_copy):
    verify(bundle_copy)
    (file,) = (bundle_copy / "evidence").glob("*.json")
    content = json.loads(file.read_text())
    expected = load(bundle_copy, variant="cpu-int8").info
    content["schema_version"] = 1
    for variant in content["variants"].values():
        variant["pace"]["token_budget"] = variant["pace"].pop("max_batch_tokens")
    file.write_text(json.dumps(content))
    assert load(bundle_copy, variant="cpu-int8").info == expected
    assert "measured on this kind of machine" in expected.reason


@pytest.mark.parametrize(
    ("impossible", "words"),
    [
        ({"workers": 0}, "must be at least 1"),
        ({"threads": 2**31}, "no machine"),
        ({"max_batch_tokens": 10**30}, "does not fit 64 bits"),
    ],
)
def test_a_config_that_cannot_be_makes_the_evidence_unreadable_and_the_bundle_still_loads(
    bundle_copy, impossible, words
):
    verify(bundle_copy)
    (file,) = (bundle_copy / "evidence").glob("*.json")
    content = json.loads(file.read_text())
    content["variants"]["cpu-fp32"]["pace"] |= impossible
    file.write_text(json.dumps(content))
    info = load(bundle_copy).info
    assert "its evidence cannot be read" in info.reason
    assert words in info.reason


class Slow:
    """A classifier whose texts take a time that depends on its execution config."""

    def __init__(self, classifier, config, clock, cost):
        self.info = classifier.info
        self.settings = replace(classifier.settings, execution=config)
        self.classifier, self.clock, self.cost = classifier, clock, cost

    def with_settings(self, *, max_batch_tokens):
        config = replace(self.settings.execution, max_batch_tokens=max_batch_tokens)
        return Slow(self.classifier, config, self.clock, self.cost)

    def logits(self, texts):
        self.clock[0] += self.cost(self.settings.execution)


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (lambda config: 1.0, {}),  # none is better: the default stays
        (lambda config: 1.0 - 0.02 * (config.max_batch_tokens > 600), {}),  # too little better
        (lambda config: 1.0 / config.max_batch_tokens, {"max_batch_tokens": 2048}),
        (lambda config: 1.0 / config.threads, {"workers": 1, "threads": 4}),
        (
            lambda config: (1 + abs(config.max_batch_tokens - 256) / 256) / config.threads,
            {"workers": 1, "threads": 4, "max_batch_tokens": 256},
        ),
    ],
)
def test_the_config_that_takes_clearly_least_time_is_found(classifier, monkeypatch, cost, expected):
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("mtl_runtime.gate.autotune.allowed_cores", lambda: 4)
    default = default_execution("cpu", threads=4, optimize_for="throughput")
    opened = []

    def open_with(config):
        opened.append((config.workers, config.threads))
        return Slow(classifier, config, clock, cost)

    assert autotune(Slow(classifier, default, clock, cost), open_with, TEXTS) == replace(default, **expected)
    assert sorted(opened) == [(1, 4), (2, 2)]  # the default's session is there, and batch sizes need none


def test_a_real_search_gives_a_config_that_a_classifier_can_be_opened_with(bundle_path, caplog):
    caplog.set_level(logging.INFO)
    config = autotune(
        load(bundle_path, threads=1),
        lambda config: load(bundle_path, threads=config.workers * config.threads, workers=config.workers),
        TEXTS,
    )
    assert config.workers * config.threads <= allowed_cores()
    assert [record.message.split(": ")[1] for record in caplog.records if "timing" in record.message]
