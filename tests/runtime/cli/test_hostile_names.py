"""Labels, sources and options with controls, markup and marks of direction are shown as escapes, never obeyed."""

import json
import re
import unicodedata

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtl_runtime.cli.app import main
from mtl_runtime.cli.terminal import print_line, print_table
from mtl_runtime.report.html import tag

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07",
    "[bold red]markup[/bold red]",
    "[link=file:///etc/passwd]x[/link]",
    "\u202egnp.exe",
    "a\rb",
    "\x9b31m",
    "<script>alert(1)</script>",
    "\ud800",
)
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture
def hostile_bundle(bundle_copy, change_manifest):
    content = json.loads((bundle_copy / "manifest.json").read_text("utf-8"))
    tasks, encoder = content["tasks"], content["encoder"]
    tasks[0]["labels"] = list(HOSTILE[:3])
    tasks[1]["labels"] = list(HOSTILE[3:6])
    encoder["source"] = "".join(HOSTILE)
    findings = [f"a finding: {name}" for name in HOSTILE]
    change_manifest(
        bundle_copy,
        tasks=tasks,
        encoder=encoder,
        made_with=dict.fromkeys(HOSTILE[:-1], HOSTILE[0]),
        text_columns=list(HOSTILE[:-1]),
        training={"validation": {}, "findings": findings},
    )
    return bundle_copy


@pytest.mark.parametrize("as_json", [False, True])
def test_inspect_shows_hostile_names_as_escapes(hostile_bundle, as_json):
    result = CliRunner().invoke(main, ["inspect", str(hostile_bundle), *(["--json"] if as_json else [])])
    assert result.exit_code == 0, result.output
    assert not STEERING.search(result.stdout)
    assert r"\u001b" in result.stdout
    assert r"\u202e" in result.stdout
    assert "[bold red]markup[/bold red]" in result.stdout
    if as_json:
        assert json.loads(result.stdout)["tasks"][0]["labels"] == list(HOSTILE[:3])


def test_an_error_about_a_hostile_name_is_one_line_without_controls(hostile_bundle):
    result = CliRunner().invoke(main, ["predict", str(hostile_bundle), "--text", "a", "--tasks", "x\x1b[2J\u202e"])
    assert result.exit_code == 2
    assert not STEERING.search(result.stderr)
    assert len(result.stderr.splitlines()) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_no_text_can_steer_a_terminal(capsys, text):
    print_line(text)
    print_table(text, (text,), [(text,)])
    out = capsys.readouterr().out
    assert not STEERING.search(out)
    assert not any(unicodedata.category(char) == "Cs" for char in out)


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_no_text_becomes_an_element_or_an_attribute_of_a_page(text):
    page = tag("p", text, title=text)
    assert page.count("<") == page.count(">") == 2
    assert page.count('"') == 2
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", page)


def test_inspect_shows_the_first_of_very_many_labels(bundle_copy, change_manifest):
    content = json.loads((bundle_copy / "manifest.json").read_text("utf-8"))
    content["tasks"][0]["labels"] = [f"label number {i}" for i in range(20_000)]
    change_manifest(bundle_copy, tasks=content["tasks"])
    result = CliRunner().invoke(main, ["inspect", str(bundle_copy)])
    assert "and 19,900 more (--json shows all)" in " ".join(result.stdout.split())
    assert len(result.stdout) < 20_000
