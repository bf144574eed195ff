"""``mtl bench`` end to end on the tiny bundle, and what becomes of systems that fail or answer wrongly."""

import contextlib
import dataclasses
import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import mtl_bench
from mtl_bench.analysis.summary import flatten, relative_speed, summarize
from mtl_bench.commands import bench as command
from mtl_bench.effort import QUICK, Effort
from mtl_bench.extras.scaling import core_counts
from mtl_bench.processes.reply_checks import check_labels
from mtl_bench.processes.worker_process import Environment, WorkerError, start_worker
from mtl_bench.results.schema import Report
from mtl_bench.suite import suite
from mtl_bench.suite.measure import measure
from mtl_bench.suite.suite import BenchConfig, run_bench
from mtl_bench.systems import systems
from mtl_bench.systems.peers import Peer
from mtl_bench.systems.systems import our_systems, peer_systems
from mtl_bench.workloads.workload import golden_workload
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core import records
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import MtlError
from tests.runtime.conftest import TINY_BUNDLE

EFFORT = Effort(
    launches=2,
    rounds=2,
    timed_texts=6,
    scored_texts=None,
    sweep_texts=3,
    single_texts=4,
    server_steps=2,
    server_seconds=0.01,
    soak_calls=2,
    separate_graphs=True,
    extras=True,
    extra_rounds=2,
)
DRIVERS = """
from mtl_bench.worker.system import SystemDriver

ANSWERS = {"sentiment": "neutral", "topics": "", "stars": 0.0}


def guessing(*, delay=0.0):
    def answer(texts, size):
        return {task: [label] * len(texts) for task, label in ANSWERS.items()}
    return SystemDriver(answer=answer, unit="texts", sizes=(1, 4), facts={"library": "1.2.3"})


def broken():
    raise RuntimeError("libfancy.so is missing\\nsee the log")


def dying():
    calls = []
    def answer(texts, size):
        calls.append(texts)
        if len(calls) > 4:
            raise MemoryError("no more")
        return guessing().answer(texts, size)
    return SystemDriver(answer=answer, unit="texts", sizes=(1,))


def instead(**labels):
    def answer(texts, size):
        answers = {**guessing().answer(texts, size), **labels}
        return {task: answer for task, answer in answers.items() if answer is not None}
    return SystemDriver(answer=answer, unit="texts", sizes=(1,))


def short():
    return instead(sentiment=["neutral"])


def without_a_task():
    return instead(sentiment=None)


def numbers():
    return instead(sentiment=[3] * 99)


def no_number():
    def answer(texts, size):
        return {**guessing().answer(texts, size), "stars": [float("nan")] * len(texts)}
    return SystemDriver(answer=answer, unit="texts", sizes=(1,))


def no_sizes():
    return SystemDriver(answer=guessing().answer, unit="texts", sizes=())


def unknown_unit():
    return SystemDriver(answer=guessing().answer, unit="furlongs", sizes=(1,))


def odd_facts():
    return SystemDriver(answer=guessing().answer, unit="texts", sizes=(1,), facts={"threads": None})


def eats_commands():
    import subprocess
    subprocess.Popen(["cat"])
    return guessing()
"""
WRONG = {
    "short": "it gave 1 answers for 'sentiment'",
    "without_a_task": "it gave 0 answers for 'sentiment'",
    "numbers": "it gave 99 answers for 'sentiment'",
    "no_number": "it answered nan for 'stars', a regression task",
    "no_sizes": "its sizes of batches are []",
    "unknown_unit": "bounded by 'furlongs'",
    "odd_facts": "its facts threads are no strings",
}


@pytest.fixture(scope="module")
def bundle():
    return Bundle.open(TINY_BUNDLE)


@pytest.fixture(scope="module")
def peers(tmp_path_factory):
    """Peers in this very environment, as another one would see them."""
    folder = tmp_path_factory.mktemp("peers")
    (folder / "drivers_of_test.py").write_text(DRIVERS, "utf-8")
    made = {name: peer(folder, name) for name in ("guessing", "broken", "dying", *WRONG)}
    made["absent"] = dataclasses.replace(peer(folder, "absent"), problem="pip could not install fancy==9")
    return made


def peer(folder, name):
    return Peer(
        name=name,
        title=f"peer, {name}",
        kind="peer",
        python=Path(sys.executable),
        folder=folder,
        kit=folder,
        driver=f"drivers_of_test:{name}",
        settings={},
        environment="here",
        prepare=None,
        needs=(),
        precision="fp32",
        docs="https://example.org/efficiency",
        files=(),
        problem=None,
    )


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def report(bundle, peers, logs):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suite, "read_peers", lambda *_: tuple(peers.values()))
        config = bench_config(bundle, peers=Path("peers.toml"))
        return run_bench(config, make_log_folder=lambda: logs)


def bench_config(bundle, *, effort=EFFORT, peers=None, systems=()):
    return BenchConfig(
        bundle=bundle,
        workload=golden_workload(bundle, timed_texts=effort.timed_texts),
        effort=effort,
        peers=peers,
        systems=systems,
        bound=0.1,
        command="mtl bench tiny",
        command_of=lambda name: f"mtl bench tiny --systems {name}",
    )


def test_a_variant_has_every_figure_of_the_table(report):
    row = report.systems["cpu-fp32"]
    summary = summarize(row)
    assert row.error is None
    assert row.answers.agreement == {"sentiment": 1.0, "topics": 1.0, "stars": 1.0}
    assert [len(rounds) for rounds in row.offline.seconds] == [2, 2]
    assert [len(rounds) for rounds in row.offline.kernel_seconds] == [2, 2]
    assert [len(texts) for texts in row.single_stream.latencies] == [4, 4]
    assert {point.size for point in row.offline.sweep} >= {row.offline.size}
    assert len(row.server.rates) == EFFORT.server_steps
    assert len(row.cold_start.seconds) == len(row.cold_start.load_seconds) == EFFORT.launches
    assert all(
        0 < load < whole for load, whole in zip(row.cold_start.load_seconds, row.cold_start.seconds, strict=True)
    )
    assert 0 < min(row.memory.loaded) <= max(row.memory.peak)
    assert summary.size_bytes == sum((TINY_BUNDLE / name).stat().st_size for name in ("model.onnx", "tokenizer.json"))
    assert row.provider == "cpu"
    assert set(summary.latency) == {50, 90, 95, 99}


def test_a_peer_in_another_environment_is_measured_alike_and_its_wrong_answers_show(report):
    row = report.systems["guessing"]
    assert row.error is None
    assert row.facts["library"] == "1.2.3"
    assert row.answers.agreement["sentiment"] < 1
    assert any("cpu-fp32's answers" in warning for warning in row.warnings) is (row.precision != "fp32")
    assert row.offline.kernel_seconds == ()
    assert row.command == "mtl bench tiny --systems guessing"
    assert relative_speed(report, "guessing", "cpu-fp32").n == EFFORT.launches


def test_a_system_that_fails_keeps_its_row_with_the_reason_and_the_others_go_on(report, logs):
    assert report.systems["broken"].error == "RuntimeError: libfancy.so is missing"
    assert report.systems["dying"].error == "MemoryError: no more"
    assert report.systems["absent"].error == "pip could not install fancy==9"
    assert "see the log" in (logs / "broken.log").read_text("utf-8")
    assert all(report.systems[name].offline is None for name in ("broken", "dying", "absent"))


def test_a_system_with_a_reply_that_breaks_the_contract_is_a_row_with_that_as_its_error(report):
    for name, words in WRONG.items():
        assert words in report.systems[name].error


def test_labels_of_the_wrong_kind_are_an_error_and_those_of_all_kinds_pass(bundle):
    tasks = bundle.manifest.tasks
    good = {"sentiment": ["neutral"], "topics": ["food|sport"], "stars": [1.5]}
    check_labels(good, tasks, 1)
    check_labels({**good, "topics": [["food", "sport"]], "stars": [2]}, tasks, 1)
    for task, wrong in (("sentiment", None), ("sentiment", 3), ("topics", [1]), ("stars", "many"), ("stars", True)):
        with pytest.raises(WorkerError, match=f"it answered .* for '{task}'"):
            check_labels({**good, task: [wrong]}, tasks, 1)


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are looked up in /proc")
def test_what_a_system_starts_can_neither_eat_its_commands_nor_outlive_it(peers):
    row = peers["guessing"]
    environment = Environment(row.python, (row.folder, Path(mtl_bench.__path__[0]).parent))
    start = {"driver": "drivers_of_test:eats_commands", "settings": {}, "texts": ["a"]}
    with start_worker("mtl_bench.worker.scenarios:prepare", environment=environment, **start) as process:
        assert process.run("offline", size=1).value > 0
        group = process.pid
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _group_lives(group):
        time.sleep(0.05)
    assert not _group_lives(group)


def _group_lives(group):
    """Whether any process of it is more than a zombie that nobody has waited for."""
    processes = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            processes.append(file.read_text().rpartition(")")[2].split()[:3])  # state, parent, group
    return any(int(of) == group and state != "Z" for state, _, of in processes)


def test_an_interpreter_that_cannot_be_started_is_a_failure_of_that_system(tmp_path):
    missing = Environment(str(tmp_path / "python"))
    words = r"python cannot be started \(No such file or directory\)"
    with pytest.raises(WorkerError, match=words), start_worker("a:b", environment=missing):
        pass


def test_the_extras_are_measured_for_ours(report):
    assert {row.profile for row in report.lengths} == {"tweets", "sentences", "paragraphs", "mixed"}
    assert all(set(row.seconds) == {"cpu-fp32", "cpu-int8"} for row in report.lengths)
    assert {(row.workers, row.threads) for row in report.threads} >= {(1, 1)}
    assert report.tasks_curve.counts == tuple(range(1, 9))
    assert set(report.roofline.variants) == {"cpu-fp32", "cpu-int8"}
    assert report.skipped == {}
    assert len(report.reference_seconds) == EFFORT.launches
    for field in (report.reference_seconds, report.stream_reference_seconds):
        assert len(flatten(field)) == EFFORT.launches * EFFORT.rounds
    assert [len(launch) for launch in report.cold_reference_seconds] == [1] * EFFORT.launches


def test_a_report_is_read_back_as_it_was_written(report):
    assert records.from_json(Report, records.to_json(report)) == report


def test_a_system_that_is_not_there_is_named_with_those_that_are(bundle, tmp_path):
    with pytest.raises(MtlError, match="no system 'cpu-int9'; there are: cpu-fp32"):
        run_bench(bench_config(bundle, systems=("cpu-int9",)), make_log_folder=lambda: tmp_path)


@pytest.mark.parametrize(("named", "measured"), [((), False), (("separate-graphs",), True)])
def test_a_quick_run_measures_separate_graphs_only_where_they_are_named(bundle, tmp_path, named, measured):
    effort = dataclasses.replace(
        EFFORT, launches=1, timed_texts=2, server_steps=0, soak_calls=0, separate_graphs=False, extras=False
    )
    config = bench_config(bundle, effort=effort, systems=named)
    report = run_bench(config, make_log_folder=lambda: tmp_path)
    assert ("separate-graphs" in report.systems) is measured
    assert ("separate-graphs" in report.skipped) is not measured


def test_without_the_reference_among_the_rows_answers_are_still_compared_with_it(bundle, peers, tmp_path):
    rows = peer_systems([peers["guessing"]], bundle, tmp_path)
    mine, _ = our_systems(bundle)
    measurements = measure(
        rows,
        golden_workload(bundle, timed_texts=3),
        bundle.manifest.tasks,
        dataclasses.replace(EFFORT, server_steps=0, soak_calls=0),
        reference=mine["cpu-fp32"],
        bound=0.1,
        commands={"guessing": ""},
    )
    assert 0 < measurements.systems["guessing"].answers.agreement["sentiment"] < 1
    assert measurements.systems["guessing"].server is None


def test_a_peers_environment_sees_nothing_of_this_project_but_the_contract(bundle, peers, tmp_path):
    row = peer_systems([peers["guessing"]], bundle, tmp_path)["guessing"]
    assert sorted(path.name for path in (tmp_path / "mtl_bench").iterdir()) == ["__init__.py", "worker"]
    assert row.environment.path == (tmp_path, peers["guessing"].folder)


def test_a_row_of_ours_on_another_wheel_is_the_variant_with_the_gates_status_on_that_wheel(
    bundle, peers, tmp_path, monkeypatch
):
    def evidence(version, status, measured_at):
        return SimpleNamespace(
            machine=machine_facts(),
            made_with={"onnxruntime": version},
            measured_at=measured_at,
            variants={"cpu-int8": SimpleNamespace(status=status)},
        )

    summaries = [evidence("1.24.1", "verified", 2), evidence("1.31.1", "failed", 3), evidence("1.24.1", "failed", 1)]
    monkeypatch.setattr(systems, "read_evidence_summaries", lambda _: summaries)
    wheel = dataclasses.replace(
        peers["guessing"], kind="ours", settings={"bundle": str(bundle.path), "variant": "cpu-int8"}
    )
    row = peer_systems([wheel], bundle, tmp_path)["guessing"]
    mine = our_systems(bundle)[0]["cpu-int8"]
    assert row.statuses == {"1.24.1": "verified", "1.31.1": "failed"}
    assert (row.variant, row.settings, row.single_text_settings, row.size_bytes) == (
        mine.variant,
        mine.settings,
        mine.single_text_settings,
        mine.size_bytes,
    )


def test_variants_whose_provider_is_absent_are_skipped_with_the_reason(bundle):
    spec = bundle.manifest.variants["cpu-fp32"]
    variants = {**bundle.manifest.variants, "cuda-fp16": dataclasses.replace(spec, provider="cuda")}
    other = dataclasses.replace(bundle, manifest=dataclasses.replace(bundle.manifest, variants=variants))
    rows, skipped = our_systems(other)
    assert set(rows) == {"cpu-fp32", "cpu-int8"}
    assert "onnxruntime-gpu" in skipped["cuda-fp16"]


def test_a_worker_of_another_environment_gets_that_environments_path(tmp_path):
    (tmp_path / "here.py").write_text(
        "import os\nfrom mtl_bench.worker.serve import Worker\n"
        "def prepare():\n    return Worker({}, {'path': os.environ['PYTHONPATH']})\n",
        "utf-8",
    )
    paths = (tmp_path, Path(mtl_bench.__path__[0]).parent)
    with start_worker("here:prepare", environment=Environment(path=paths)) as process:
        assert process.facts["path"].split(":") == [str(path) for path in paths]


def test_core_counts_double_up_to_all_cores():
    assert [core_counts(cores) for cores in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


@pytest.fixture
def run(monkeypatch):
    """The command line, with the smallest effort."""
    smallest = {quick: dataclasses.replace(EFFORT, extras=not quick) for quick in (False, True)}
    monkeypatch.setattr(command, "_EFFORTS", {key: smallest[key[0]] for key in command._EFFORTS})
    return lambda *arguments: CliRunner().invoke(command.bench, [str(argument) for argument in arguments])


@pytest.mark.parametrize(("provider", "problem", "times"), [("cuda", None, 8), ("cuda", "no GPU", 1), ("cpu", None, 1)])
def test_a_pass_has_more_texts_where_a_variant_runs_on_a_gpu(monkeypatch, provider, problem, times):
    monkeypatch.setattr(command, "provider_problem", lambda _: problem)
    variants = {"cpu-fp32": SimpleNamespace(provider="cpu"), "other": SimpleNamespace(provider=provider)}
    bundle = SimpleNamespace(manifest=SimpleNamespace(variants=variants))
    assert command._choose_effort(bundle, quick=True, peers=None).timed_texts == times * QUICK.timed_texts


def test_the_command_writes_results_and_a_page_and_prints_a_table(run, tmp_path):
    outcome = run(TINY_BUNDLE, "-o", tmp_path / "report", "--quick", "--systems", "cpu-fp32")
    assert outcome.exit_code == 0, outcome.output
    data = json.loads((tmp_path / "report" / "results.json").read_text("utf-8"))
    assert list(data["systems"]) == ["cpu-fp32"]
    assert data["skipped"] == {"tasks curve, roofline, lengths, threads": "--quick measures only the table"}
    assert "--quick --systems cpu-fp32" in data["command"]
    assert "<html" in (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "cpu-fp32" in outcome.stdout


def test_a_report_that_cannot_be_written_is_printed_all_the_same(run, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(command, "report_page", full)
    outcome = run(TINY_BUNDLE, "-o", tmp_path / "report", "--quick", "--systems", "cpu-fp32")
    assert isinstance(outcome.exception, OSError)
    assert "cpu-fp32" in outcome.stdout
    assert "report:" not in outcome.stdout


def test_an_earlier_report_is_replaced_only_with_force_and_other_folders_never(run, tmp_path):
    target = tmp_path / "report"
    (target / "logs").mkdir(parents=True)
    (target / "thesis.txt").write_text("years of work", "utf-8")
    for more, words in (((), "exists already"), (("--force",), "holds more than an earlier report")):
        outcome = run(TINY_BUNDLE, "-o", target, *more)
        assert isinstance(outcome.exception, MtlError)
        assert words in str(outcome.exception)
    assert (target / "thesis.txt").is_file()


def test_an_earlier_report_stays_complete_until_the_new_one_is(run, tmp_path, monkeypatch):
    target = tmp_path / "report"
    (target / "logs").mkdir(parents=True)
    (target / "results.json").write_text("earlier", "utf-8")

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(command, "report_page", stopped)
        run(TINY_BUNDLE, "-o", target, "--force", "--quick", "--systems", "cpu-fp32")
    assert (target / "results.json").read_text("utf-8") == "earlier"
    assert run(TINY_BUNDLE, "-o", target, "--force", "--quick", "--systems", " cpu-fp32 ,").exit_code == 0
    assert json.loads((target / "results.json").read_text("utf-8"))["systems"].keys() == {"cpu-fp32"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["report"]


@pytest.mark.skipif(os.name == "nt", reason="there SIGTERM ends a process at once")
def test_a_run_that_gets_sigterm_leaves_neither_files_nor_processes(tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    arguments = ["bench", str(TINY_BUNDLE), "-o", str(tmp_path / "report"), "--quick"]
    with subprocess.Popen(
        [sys.executable, "-c", "from mtl_runtime.cli.app import main; main()", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
    ) as process:
        while "single-stream" not in process.stderr.readline():
            assert process.poll() is None
        assert any(entry.is_dir() for entry in temporary.iterdir())
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143
    assert [entry for entry in temporary.iterdir() if entry.is_dir()] == []
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("bound", ["nan", "inf", "0"])
def test_a_bound_that_is_no_number_is_refused_before_anything_is_measured(run, tmp_path, bound):
    assert run(TINY_BUNDLE, "-o", tmp_path / "report", "--p99", bound).exit_code == 2


def test_a_mistake_in_the_command_leaves_the_earlier_report(run, tmp_path):
    earlier = tmp_path / "report" / "logs"
    earlier.mkdir(parents=True)
    for wrong in (
        (tmp_path / "nothing",),
        (TINY_BUNDLE, "--data", tmp_path / "nothing.csv"),
        (TINY_BUNDLE, "--systems", "cpu-int9"),
    ):
        outcome = run(*wrong, "-o", tmp_path / "report", "--force")
        assert outcome.exit_code != 0
        assert earlier.is_dir()
