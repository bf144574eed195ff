"""``mtl predict --explain``: as JSON, in a pipe, on a terminal."""

import io
import json

import pytest
from click.testing import CliRunner
from rich.console import Console

from mtl_runtime.cli.app import main
from mtl_runtime.cli.output.explanations import show_explanations

TEXT = "The soup wasn't great, goal!"


def predict(*argv, bundle):
    return CliRunner().invoke(main, ["predict", str(bundle), *argv])


def test_the_command_gives_every_number_as_json(bundle_path, classifier):
    argv = ["--text", TEXT, "--text", "", "--tasks", "stars,topics", "--explain", "--json"]
    first, second = json.loads(predict(*argv, bundle=bundle_path).stdout)
    expected = classifier.explain(TEXT, task="topics")
    assert first["text"] == TEXT
    assert list(first["explanations"]) == ["stars", "topics"]
    topics = first["explanations"]["topics"]
    assert topics["label"] == expected.label
    assert topics["baseline"] == pytest.approx(expected.baseline, abs=1e-6)
    assert [(token["text"], token["start"], token["end"]) for token in topics["tokens"]] == [
        (token.text, token.start, token.end) for token in expected.tokens
    ]
    assert second["explanations"]["stars"]["tokens"] == []


def test_in_a_pipe_there_is_a_table_without_colour(bundle_path):
    text = "soup\x1b[31m was great"
    result = predict("--text", text, "--explain", bundle=bundle_path)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    heading, rows = result.stdout.split("──", 1)
    assert heading.startswith("soup\\u001b[31m was great\n")
    assert all(task in heading for task in ("sentiment: positive 0.", "topics: food 0.", "stars: "))
    (soup,) = [line.split() for line in rows.splitlines() if line.strip().startswith("soup")]
    assert [cell[0] for cell in soup[1:]] == ["-", "+", "-"]


def shown(text, classifier, **console):
    out = io.StringIO()
    explanations = [classifier.explain_tasks(text, tasks=["sentiment"])]
    settings = {"force_terminal": True, "file": out, "width": 20, **console}
    show_explanations([text], explanations, as_json=False, console=Console(**settings))
    return out.getvalue()


def test_on_a_terminal_words_are_shaded_by_what_they_do(classifier):
    line, legend, _ = shown("great great [b]bad\x07\n", classifier, color_system="truecolor", no_color=False).split(
        "\n"
    )
    towards, against = "48;2;87;155;255m", "48;2;255;"
    assert f"{towards}great\x1b" in line
    assert f"{towards}towards the answer\x1b" in legend
    (bad,) = [part for part in line.split("\x1b[") if part.endswith("mbad")]
    assert against in bad
    assert "\\u0007" in line
    assert "\\u000a" in line
    assert "sentiment: positive 0." in line


@pytest.mark.parametrize(
    "console", [{"no_color": True, "color_system": "truecolor"}, {"color_system": "standard"}, {"color_system": None}]
)
def test_a_terminal_without_shades_gets_the_table(classifier, console, capsys):
    assert shown("great soup", classifier, **console) == ""
    assert "+0." in capsys.readouterr().out


def test_a_file_is_not_explained(bundle_path):
    result = predict("in.csv", "--explain", bundle=bundle_path)
    assert result.exit_code == 2
    assert "give them with --text instead of INPUT" in result.stderr
