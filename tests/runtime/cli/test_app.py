"""The command ``mtl``: what it prints, where, and the exit code it ends with."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from click.testing import CliRunner

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.cli.app import main
from mtl_runtime.cli.terminal import RateEstimate
from mtl_runtime.core import records
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.evidence.schema import Evidence, Flip, Histogram, TaskEvidence, VariantEvidence

MTL = Path(sysconfig.get_path("scripts")) / ("mtl.exe" if os.name == "nt" else "mtl")


@pytest.fixture
def mtl(monkeypatch):
    """``mtl("predict", ...)`` in this process."""
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *argv, stdin=None: CliRunner().invoke(main, [str(arg) for arg in argv], input=stdin)


def test_help_lists_every_command_with_a_line():
    done = subprocess.run([MTL, "--help"], capture_output=True, text=True, check=True)
    listed = dict(line.split(maxsplit=1) for line in done.stdout.partition("Commands:")[2].splitlines() if line)
    own = {entry.name for entry in entry_points(group="mtl.commands") if entry.dist and entry.dist.name == "mtl-export"}
    assert own == listed.keys()
    assert listed["doctor"].startswith("Show what is installed")


def test_the_version_is_the_packages(mtl):
    from importlib.metadata import version

    assert version("mtl-export") in mtl("--version").output


def test_an_unknown_command_is_the_users_mistake(mtl):
    result = mtl("predikt")
    assert result.exit_code == 2
    assert "predikt" in result.stderr


def test_predict_shows_a_table_for_texts(mtl, bundle_path):
    result = mtl("predict", bundle_path, "--text", "the soup was great", "--text", "good " * 50)
    assert result.exit_code == 0, result.output
    assert "positive" in result.stdout
    assert "food" in result.stdout
    assert result.stdout.count("truncated after 16 tokens") == 1


def test_predict_gives_texts_as_json(mtl, bundle_path, classifier):
    argv = ["--text", "the soup was great", "--tasks", "topics, stars", "--json"]
    (record,) = json.loads(mtl("predict", bundle_path, *argv).stdout)
    prediction = classifier("the soup was great")
    assert record["text"] == "the soup was great"
    assert (record["tokens"], record["truncated"]) == (6, False)
    assert list(record["answers"]) == ["topics", "stars"]
    assert record["answers"]["topics"]["labels"] == ["food"]
    assert record["answers"]["stars"]["value"] == pytest.approx(prediction["stars"].value)


def test_predict_shows_every_label_on_demand(mtl, bundle_path):
    plain = mtl("predict", bundle_path, "--text", "good").stdout
    every = mtl("predict", bundle_path, "--text", "good", "--probabilities").stdout
    assert "negative" not in plain
    assert "negative 0." in every
    assert "money 0." in every


def test_predict_reads_stdin_and_writes_csv(mtl, bundle_path):
    result = mtl("predict", bundle_path, "-", "--tasks", "sentiment", stdin="good\nbad\n")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "text,sentiment,sentiment.probability"
    assert [line.split(",")[1] for line in lines[1:]] == ["positive", "negative"]


def test_predict_writes_the_inputs_format_to_stdout_and_obeys_a_given_one(mtl, bundle_path):
    argv = ["predict", bundle_path, "-", "--input-format", "jsonl", "--tasks", "sentiment"]
    record = json.loads(mtl(*argv, stdin='{"text": "good"}\n').stdout)
    assert record["sentiment"] == "positive"
    result = mtl(*argv, "--output-format", "tsv", stdin='{"text": "good"}\n')
    assert result.stdout.startswith("text\tsentiment\t")


def test_predict_writes_a_file_and_says_so(mtl, measured_bundle, tmp_path):
    (tmp_path / "in.csv").write_text("text\ngood\n" + "good " * 50 + "\n")
    out = tmp_path / "out.jsonl"
    argv = ["predict", measured_bundle, tmp_path / "in.csv", "-o", out]
    result = mtl(*argv, "--json")
    assert json.loads(result.stdout) == {"output": str(out), "rows": 2, "truncated": 1, "bad_rows": 0}
    assert len(out.read_text().splitlines()) == 2
    again = mtl(*argv)
    assert again.exit_code == 2
    assert again.stderr.startswith(f"error: {out} exists already")
    assert "2 rows written, 1 texts truncated" in mtl(*argv, "--force").stderr


def test_predict_lists_bad_rows_that_it_leaves_out(mtl, measured_bundle):
    lines = '{"text": "good"}\n' + "{}\n" * 30
    argv = ["predict", measured_bundle, "-", "--input-format", "jsonl"]
    refused = mtl(*argv, stdin=lines)
    assert refused.exit_code == 2
    assert refused.stderr.startswith("error: <stdin>, line 2, column 'text': the text is missing (")
    assert "--on-bad-row skip, or --rejects FILE" in refused.stderr
    skipped = mtl(*argv, "--on-bad-row", "skip", stdin=lines)
    assert skipped.exit_code == 0
    assert len(skipped.stdout.splitlines()) == 1
    assert skipped.stderr.count("left out: <stdin>, line") == 20
    assert "left out: 10 more rows" in skipped.stderr
    assert "1 rows written, 30 left out" in skipped.stderr


def test_predict_writes_bad_rows_to_a_file_and_names_it(mtl, measured_bundle, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"text": "good"}\n{}\n')
    argv = ["predict", measured_bundle, tmp_path / "in.jsonl", "-o", tmp_path / "out.csv"]
    result = mtl(*argv, "--rejects", tmp_path / "bad.jsonl")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == f"1 rows written, 1 left out (see {tmp_path / 'bad.jsonl'})\n"
    assert json.loads((tmp_path / "bad.jsonl").read_text())["line"] == 2


def test_predict_resumes_a_job_with_its_first_settings_whatever_load_would_choose_now(mtl, bundle_path, tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "good"}\n' * 2048 + '{"text": null}\n{"text": "bad"}\n')
    out = tmp_path / "out.csv"
    argv = ["predict", bundle_path, source, "-o", out]
    stopped = mtl(*argv, "--variant", "cpu-int8", "--threads", "2")
    assert stopped.exit_code == 2
    assert (
        stopped.stderr.splitlines()[0]
        .partition(" (")[0]
        .endswith("in.jsonl, line 2049, column 'text': the text is missing")
    )
    assert stopped.stderr.splitlines()[1].startswith("2,048 rows are done and kept; --resume continues after them")
    assert "--resume continues it, --force starts over" in mtl(*argv).stderr
    other = mtl(*argv, "--resume", "--variant", "cpu-fp32")
    assert 'was started as another job: variant is "cpu-fp32" and was "cpu-int8"' in other.stderr
    resumed = mtl(*argv, "--resume", "--on-bad-row", "skip", "--json")
    assert resumed.exit_code == 0, resumed.stderr
    assert json.loads(resumed.stdout)["rows"] == 2049
    mtl("predict", bundle_path, source, "-o", tmp_path / "plain.csv", "--variant", "cpu-int8", "--on-bad-row", "skip")
    assert out.read_bytes() == (tmp_path / "plain.csv").read_bytes()
    again = mtl(*argv, "--resume")
    assert again.exit_code == 0
    assert again.stderr.splitlines()[-1] == "2049 rows written earlier, 1 left out; nothing was left to do"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals to send")
@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_job_that_was_stopped_says_how_to_continue(bundle_path, tmp_path, number, code, word):
    source = tmp_path / "in.txt"
    source.write_text("the soup was good\n" * 200_000)
    journal = tmp_path / ".out.csv.mtl-work" / "ledger.jsonl"
    argv = [MTL, "predict", bundle_path, source, "-o", tmp_path / "out.csv"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 2):
            time.sleep(0.01)
        process.send_signal(number)
        _, stderr = process.communicate()
    assert process.returncode == code
    assert word in stderr.splitlines()
    assert "rows are done and kept; --resume continues after them" in stderr
    assert "Traceback" not in stderr


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_a_terminal_shows_rows_speed_and_time_left(bundle_path, tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("the soup was good\n" * 6000)
    argv = [MTL, "predict", bundle_path, source, "-o", tmp_path / "out.csv"]
    master, slave = os.openpty()
    with os.fdopen(master, "rb", buffering=0) as screen:
        subprocess.run(argv, stderr=slave, check=True, env={**os.environ, "COLUMNS": "120", "TERM": "xterm"})
        os.close(slave)
        shown = screen.read(2**16).decode()
    assert re.search(r"6,000 rows, [\d,]+ rows/s, 0:00:00 left", shown)


@pytest.mark.parametrize(
    ("calls", "line"),
    [
        ([(0, 0.0, 0.0)], "0 rows"),
        ([(0, 0.0, 0.0), (1000, 0.1, 2.0)], "1,000 rows, 500 rows/s, 0:00:18 left"),
        ([(0, None, 0.0), (1000, None, 2.0)], "1,000 rows, 500 rows/s"),
        ([(90_000, None, 5.0), (91_000, 0.5, 7.0)], "91,000 rows, 500 rows/s, 0:03:02 left"),
        ([(0, 0.0, 0.0), (1000, 0.0001, 10.0)], "1,000 rows, 100 rows/s, 27:46:30 left"),
    ],
)
def test_speed_and_time_left_count_from_where_this_process_began(calls, line):
    times = iter([now for _, _, now in calls])
    rate = RateEstimate(lambda: next(times))
    assert [rate.line(rows, share) for rows, share, _ in calls][-1] == line


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "give either INPUT"),
        (["in.csv", "--text", "x"], "give either INPUT"),
        (["-", "--json"], "see --output-format"),
        (["none.csv"], "cannot be opened"),
        (["none.xlsx"], "unknown suffix"),
        (["/dev/fd/9"], ".txt, .ndjson, or name its format with --input-format"),
        (["--text", "x", "--tasks", "tone"], "no task 'tone'"),
        (["--text", "x", "--variant", "gpu"], "no variant 'gpu'"),
        (["-", "-o", "out.txt"], "txt has no columns"),
        (["-", "-o", "out.csv", "--resume"], "a stream cannot be resumed"),
        (["in.csv", "--resume"], "a stream cannot be resumed"),
        (["in.csv", "-o", "out.csv", "--resume", "--force"], "choose one"),
        (["in.csv", "--rejects", "bad.jsonl", "--on-bad-row", "error"], "choose one"),
        (["in.csv", "--explain"], "give them with --text"),
    ],
)
def test_a_mistake_of_the_user_exits_2_with_one_line_and_no_traceback(mtl, bundle_path, argv, message):
    result = mtl("predict", bundle_path, *argv, stdin="good\n")
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_damaged_bundle_exits_1_and_names_the_file(mtl, bundle_copy):
    (bundle_copy / "model.onnx").write_bytes(b"")
    result = mtl("predict", bundle_copy, "--text", "good")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: model.onnx: has 0 bytes")
    assert len(result.stderr.splitlines()) == 1


def test_control_characters_of_a_text_do_not_reach_the_terminal(mtl, bundle_path):
    text = "good\x1b[31m \u202e soup [red]x[/red]"
    result = mtl("predict", bundle_path, "--text", text)
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    assert r"good\u001b[31m \u202e soup [red]x[/red]" in result.stdout
    as_json = mtl("predict", bundle_path, "--text", text, "--json")
    assert "\u202e" not in as_json.stdout
    assert json.loads(as_json.stdout)[0]["text"] == text


def test_control_characters_in_an_error_are_escaped(mtl, measured_bundle):
    result = mtl("predict", measured_bundle, "--text", "x", "--tasks", "a\x1b]0;title\x07\nb")
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_a_table_on_a_terminal_has_its_control_characters_escaped_and_a_pipe_does_not(bundle_path):
    argv = [MTL, "predict", bundle_path, "-", "--tasks", "topics"]
    text = b"soup \x1b[2J\n"
    piped = subprocess.run(argv, input=text, capture_output=True, check=True)
    assert b"soup \x1b[2J,food" in piped.stdout
    master, slave = os.openpty()
    with os.fdopen(master, "rb", buffering=0) as screen:
        subprocess.run(argv, input=text, stdout=slave, stderr=subprocess.DEVNULL, check=True)
        os.close(slave)
        shown = screen.read(4096)
    assert b"soup \\u001b[2J,food" in shown
    assert b"\x1b" not in shown


def test_the_limit_of_a_texts_bytes_can_be_raised_for_a_text_and_for_a_file(mtl, bundle_path, tmp_path):
    long = "good film " * 7000
    file = tmp_path / "in.txt"
    file.write_text(long)
    for source in (["--text", long], [file]):
        refused = mtl("predict", bundle_path, *source)
        assert refused.exit_code == 2
        assert "has 70000 bytes in UTF-8, the limit is 65536; max_text_bytes raises it" in refused.stderr
        assert mtl("predict", bundle_path, *source, "--max-text-bytes", "70000").exit_code == 0


def test_inspect_shows_what_the_manifest_says(mtl, bundle_path):
    result = mtl("inspect", bundle_path)
    assert result.exit_code == 0, result.output
    for word in ("multi_label", "food (0.5), sport (0.4), money (0.6)", "1.5", "cpu-int8", "model.int8.onnx"):
        assert word in result.stdout


def test_inspect_and_verify_say_first_whether_the_model_is_good(mtl, bundle_copy, change_manifest):
    scores = {"rows": 150, "model": {"accuracy": 0.487, "macro_f1": 0.23}, "majority": {"accuracy": 0.493}}
    scores["rating"] = "no better than the majority"
    findings = [
        {
            "problem": "no_better_than_majority",
            "task": "sentiment",
            "text": "it is hardly better than always answering a",
        },
        {"problem": "too_few_validation_rows", "task": "sentiment", "text": "validation is too small to tell"},
    ]
    training = {"validation": {"sentiment": scores}, "findings": findings}
    change_manifest(bundle_copy, training=training)
    for command in ("inspect", "verify"):
        shown = mtl(command, bundle_copy).stdout
        places = ("no better than the majority", "hardly better than", "too small to tell", "cpu-int8   ")
        assert [*map(shown.index, places)] == sorted(map(shown.index, places))
    (evidence,) = json.loads(mtl("inspect", bundle_copy, "--json").stdout)["evidence"]
    assert evidence["training"]["validation"]["sentiment"]["rows"] == 150


def test_verify_shows_the_figures_of_a_file_first_and_says_which_rows_each_table_is_from(
    mtl, bundle_copy, change_manifest, tmp_path
):
    scores = {"rows": 40, "model": {"accuracy": 1.0, "macro_f1": 1.0}, "rating": "better than the majority"}
    change_manifest(bundle_copy, training={"validation": {"sentiment": scores}, "findings": []})
    file = tmp_path / "unseen.csv"
    file.write_text("text,sentiment\n" + "a great soup,positive\n" * 9 + "a bad match,positive\n")
    shown = mtl("verify", bundle_copy, "--data", file, "--variant", "cpu-fp32").stdout
    places = (
        "Is the model good on unseen.csv? (labelled rows of it)",
        "0.596 to 0.982",
        "Is the model good? (validation rows of training, not those of unseen.csv)",
        "0.912 to 1.000",
        "Checks of",
        "Compared with cpu-fp32 on unseen.csv",
    )
    assert [*map(shown.index, places)] == sorted(map(shown.index, places))


def test_inspect_shows_the_evidence_of_this_bundle_alone_and_gives_json(mtl, bundle_copy):
    digest = Bundle.open(bundle_copy).digest
    (bundle_copy / "evidence").mkdir()
    for name, measured in (("here", digest), ("another-bundle", "0" * 64)):
        (bundle_copy / "evidence" / f"{name}.json").write_text(records.to_json(evidence_of(measured)))
    content = json.loads(mtl("inspect", bundle_copy, "--json").stdout)
    assert [evidence["bundle_digest"] for evidence in content["evidence"]] == [digest]
    assert [task["name"] for task in content["tasks"]] == ["sentiment", "topics", "stars"]
    shown = mtl("inspect", bundle_copy).stdout
    assert "Compared with PyTorch on dev.csv" in shown
    assert "99.5 %" in shown


def test_inspect_names_an_evidence_file_that_is_none(mtl, bundle_copy):
    (bundle_copy / "evidence").mkdir()
    digest = Bundle.open(bundle_copy).digest
    (bundle_copy / "evidence" / "broken.json").write_text(f'{{"schema_version": 1, "bundle_digest": "{digest}"}}')
    result = mtl("inspect", bundle_copy)
    assert result.exit_code == 2
    assert "evidence/broken.json.measured_at: this key is required and missing" in result.stderr


def evidence_of(digest):
    task = TaskEvidence(
        kind="single_label",
        sentences=200,
        agreement=0.995,
        agreement_low=0.97,
        agreement_high=0.999,
        flips=1,
        flips_outside_ties=1,
        flipped=(Flip(text="so so", reference="neutral", candidate="positive", margin=0.4, tie=False),),
        logit_scale=1.0,
        max_logit_difference=0.1,
        mean_logit_difference=0.01,
        logit_differences=Histogram(edges=(0.0, 1.0), counts=(600,)),
        max_probability_difference=0.02,
        mean_probability_difference=0.002,
        not_finite=0,
        labelled=200,
        metrics={"accuracy": 0.8, "macro_f1": 0.7},
        reference_metrics={"accuracy": 0.81, "macro_f1": 0.71},
        problems=("1 of 200 answers differ, ties aside",),
    )
    return Evidence(
        schema_version=1,
        bundle_digest=digest,
        measured_at="2026-01-01T00:00:00+00:00",
        machine=machine_facts(),
        made_with={},
        data={"dev.csv": FileSpec.of(b"")},
        variants={"cpu-fp32": VariantEvidence(status="failed", provider="cpu", threads=1, tasks={"sentiment": task})},
        reference="PyTorch",
    )


def test_verify_exits_1_and_still_prints_every_check(mtl, bundle_copy):
    assert mtl("verify", bundle_copy).exit_code == 0
    (bundle_copy / "MODEL_CARD.md").write_text("changed")
    result = mtl("verify", bundle_copy)
    assert result.exit_code == 1
    assert result.stdout.count("FAILED") == 1
    assert "cpu-int8: golden logits" in result.stdout
    content = json.loads(mtl("verify", bundle_copy, "--json", "--variant", "cpu-int8").stdout)
    assert content["passed"] is False
    assert [check["name"] for check in content["checks"] if check["passed"] is False] == ["file MODEL_CARD.md"]


def test_verify_prints_its_verdict_where_no_folder_can_be_written(mtl, bundle_copy, tmp_path, monkeypatch):
    for file in (bundle_copy / "evidence", tmp_path / "cache"):
        file.write_text("a file in the folder's place, which stops root too")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    result = mtl("verify", bundle_copy)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("passed") >= 2  # the gate's checks of both variants
    assert "cpu-int8: gate" in result.stdout
    (warning,) = (line for line in result.stderr.splitlines() if line.startswith("warning: "))
    assert str(bundle_copy / "evidence") in warning
    assert str(tmp_path / "cache") in warning
    content = json.loads(mtl("verify", bundle_copy, "--json").stdout)
    assert content["passed"] is True
    assert content["evidence"]["variants"]["cpu-int8"]["status"] == "verified"
    assert f"warning: {content['storage_problem']}" == warning
    (bundle_copy / "MODEL_CARD.md").write_text("changed")
    assert mtl("verify", bundle_copy).exit_code == 1


def test_doctor_shows_the_environment(mtl, measured_bundle):
    result = mtl("doctor", measured_bundle)
    assert result.exit_code == 0, result.output
    assert "runs on cpu" in result.stdout
    content = json.loads(mtl("doctor", "--json").stdout)
    assert content["problems"] == []
    assert content["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))


def test_doctor_exits_1_on_a_problem(mtl, bundle_copy):
    shutil.rmtree(bundle_copy / "evidence", ignore_errors=True)
    (bundle_copy / "model.onnx").unlink()
    result = mtl("doctor", bundle_copy)
    assert result.exit_code == 1
    assert "model.onnx: is missing" in result.stdout


FAKE = {
    "needs_torch.py": "import torch\n",
    "needs_later.py": "import click\n@click.command()\ndef command():\n    import transformers.models\n",
    "broken.py": "import click\n@click.command()\ndef command():\n    import no_such_module_of_ours\n",
    "interrupted.py": "import click\n@click.command()\ndef command():\n    raise KeyboardInterrupt\n",
}


@pytest.fixture
def plugin_mtl(tmp_path):
    """``mtl`` in a process with further commands, where torch and transformers cannot be found."""
    info = tmp_path / "fake-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake\nVersion: 1.0\n")
    entries = "".join(f"{name[:-3]} = {name[:-3]}:command\n" for name in FAKE)
    (info / "entry_points.txt").write_text(f"[mtl.commands]\n{entries}")
    for name, code in FAKE.items():
        (tmp_path / name).write_text(code)
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'transformers'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from mtl_runtime.cli.app import main\n"
        "main()\n"
    )
    return lambda *argv: subprocess.run([sys.executable, script, *argv], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("command", "package"), [("needs_torch", "torch"), ("needs_later", "transformers")])
def test_a_command_whose_extra_is_missing_says_what_to_install(plugin_mtl, command, package):
    done = plugin_mtl(command)
    assert done.returncode == 2
    expected = f"error: this needs {package}, which is not installed; run `pip install 'mtl-export[export]'`\n"
    assert done.stderr == expected


def test_help_works_whatever_is_missing(plugin_mtl):
    done = plugin_mtl("--help")
    assert done.returncode == 0
    assert "needs_torch" in done.stdout


def test_a_bug_shows_its_traceback(plugin_mtl):
    done = plugin_mtl("broken")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "no_such_module_of_ours" in done.stderr


def test_an_interrupt_exits_130_without_a_traceback(plugin_mtl):
    done = plugin_mtl("interrupted")
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGPIPE")
def test_a_reader_that_goes_away_ends_it_quietly(measured_bundle, tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("the soup was good\n" * 20_000)
    with subprocess.Popen(
        [MTL, "predict", measured_bundle, source], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"text,")
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_what_the_system_refuses_is_one_line_and_exit_code_2(mtl, measured_bundle, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("good\n")
    result = mtl("predict", measured_bundle, texts, "-o", tmp_path / "no" / "folder" / "out.csv")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--text", "good", "-o", "out.csv"], "--text prints its answers"),
        (["--text", "good", "--rejects", "bad.jsonl"], "--text prints its answers"),
        (["--text", "good", "--aggregate", "max"], "--aggregate is for --long-text windows"),
    ],
)
def test_options_that_would_do_nothing_are_refused(mtl, bundle_path, argv, message):
    result = mtl("predict", bundle_path, *argv)
    assert result.exit_code == 2
    assert message in result.stderr


def test_windows_are_shown_next_to_the_answer(mtl, bundle_path):
    result = mtl("predict", bundle_path, "--text", "good soup " * 20, "--long-text", "windows")
    assert result.exit_code == 0
    assert "(read in 4 windows)" in result.stdout


def test_predict_says_once_on_stderr_that_a_slow_variant_runs_by_fallback(mtl, moved_bundle, other_kernels):
    assert mtl("predict", moved_bundle, "--text", "good", "--json").stderr == ""
    exact = mtl("predict", moved_bundle, "--text", "good", "--json", "--trust", "exact")
    assert exact.exit_code == 0
    (line,) = exact.stderr.splitlines()
    assert line.startswith("WARNING mtl_runtime.loading.load: cpu-fp32 runs by fallback; not trusted here: cpu-int8 (")
    assert mtl("predict", moved_bundle, "--text", "good", "--variant", "cpu-fp32").stderr == ""


def test_predict_refuses_trust_for_a_variant_that_is_named(mtl, bundle_path):
    result = mtl("predict", bundle_path, "--text", "good", "--variant", "cpu-fp32", "--trust", "exact")
    assert result.exit_code == 2
    assert "--trust is about variants that nobody names" in result.stderr


def test_inspect_shows_which_variant_runs_here_and_why(mtl, moved_bundle):
    shown = mtl("inspect", moved_bundle).stdout
    assert "its golden answers are not tested here yet" in shown
    mtl("predict", moved_bundle, "--text", "good")
    here = json.loads(mtl("inspect", moved_bundle, "--json").stdout)["runs_here"]
    assert (here["variant"], here["fallback"]) == ("cpu-int8", None)
    assert "its golden answers hold here" in here["reason"]


def test_inspect_shows_a_fallback(mtl, bundle_path):
    here = json.loads(mtl("inspect", bundle_path, "--json").stdout)["runs_here"]
    assert "cpu-int8 (it was not measured anywhere)" in here["fallback"]
    assert here["fallback"] in mtl("inspect", bundle_path).stdout


def test_doctor_shows_golden_answers_and_a_fallback_and_exits_1(mtl, moved_bundle, other_kernels):
    assert mtl("doctor", moved_bundle).exit_code == 0
    other_kernels(6.0)
    result = mtl("doctor", moved_bundle)
    assert result.exit_code == 1
    (row,) = (
        line for line in result.stdout.splitlines() if "cpu-int8" in line and "differ" in line and "stars" in line
    )
    assert "cpu-fp32 runs by fallback" in result.stdout
    assert row.split()[-1] == "differ"


def test_a_quick_verify_exits_by_its_verdict(mtl, moved_bundle, other_kernels):
    result = mtl("verify", moved_bundle, "--quick")
    assert result.exit_code == 0, result.output
    assert "cpu-int8: golden answers" in result.stdout
    other_kernels(6.0)
    assert mtl("verify", moved_bundle, "--quick").exit_code == 1
    refused = mtl("verify", moved_bundle, "--quick", "--data", "sentences.csv")
    assert refused.exit_code == 2
    assert "--data is for the gate" in refused.stderr
