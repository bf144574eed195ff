import dataclasses
import re
import shutil
from pathlib import Path

import pytest

from mtl_runtime import load
from mtl_runtime.bundle.golden import GoldenText
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.gate.verify import verify
from mtl_runtime.server.page.examples import choose_examples
from mtl_runtime.server.page.invitation import page_address
from mtl_runtime.server.protocols import PROTOCOLS, choose_protocols
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.settings import Address, ServerSettings
from tests.runtime.server.running import RunningServer

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
SCRIPTS = ("page", "answers", "code", "elements", "served", "server", "words")
FILES = {"/ui": "text/html", "/ui/page.css": "text/css", **{f"/ui/{name}.js": "text/javascript" for name in SCRIPTS}}


@pytest.fixture
def verified(bundle_copy, user_cache):
    """A bundle with the evidence of ``mtl verify``, and the model that serves it."""
    verify(bundle_copy)
    return bundle_copy, ServedModel(name="verified", classifier=load(bundle_copy, threads=1))


@pytest.mark.parametrize("path", FILES)
def test_a_file_of_the_page_may_load_nothing_from_elsewhere(server, path):
    status, headers, content = server.ask("GET", path)
    assert (status, headers["content-type"]) == (200, f"{FILES[path]}; charset=utf-8")
    assert headers["x-content-type-options"] == "nosniff"
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert (policy["base-uri"], policy["frame-ancestors"], policy["object-src"]) == ("'none'",) * 3
    assert "unsafe" not in headers["content-security-policy"]
    assert b"://" not in content
    assert not re.search(rb"<(script|style)[^>]*>[^<]|\son\w+=|style=|@import|url\(", content)
    assert b"innerHTML" not in content


@pytest.mark.parametrize("path", FILES)
def test_a_file_is_sent_again_only_if_it_has_changed(server, path):
    _, headers, _ = server.ask("GET", path)
    tag = headers["etag"]
    for known in (tag, f'"other", W/{tag}'):
        status, again, content = server.ask("GET", path, If_None_Match=known)
        assert (status, content, again["etag"]) == (304, b"", tag)
    assert server.ask("GET", path, If_None_Match='"other"')[0] == 200
    assert server.ask("HEAD", path)[2] == b""


def test_a_browser_finds_the_page_at_the_root_and_other_clients_the_routes(server):
    _, headers, page = server.ask("GET", "/", Accept=HTML)
    assert page == server.ask("GET", "/ui")[2]
    assert headers["vary"] == "Accept"
    _, headers, answer = server.ask("GET", "/", Accept="*/*")
    assert headers["vary"] == "Accept"
    assert answer["models"] == ["tiny"]
    known = {f"{route.method} {route.path}" for protocol in PROTOCOLS for route in protocol.routes}
    assert set(answer["routes"].values()) <= known


def test_the_address_with_a_slash_leads_to_the_page(server):
    status, headers, _ = server.ask("GET", "/ui/")
    assert (status, headers["location"]) == (308, "../ui")


def test_the_page_needs_no_key_and_what_it_asks_for_does(model):
    with RunningServer([model], keys=["k-e-y"]) as server:
        assert {server.ask("GET", path)[0] for path in (*FILES, "/", "/favicon.ico")} == {200, 204}
        for path in ("/ui/models", "/ui/evidence/tiny", "/v1/info"):
            assert server.ask("GET", path)[0] == 401
            assert server.ask("GET", path, Authorization="Bearer k-e-y")[0] in (200, 404)


def test_examples_are_golden_texts_whose_answers_differ(server):
    _, _, answer = server.ask("GET", "/ui/models")
    (shown,) = answer["models"]
    assert (shown["name"], shown["evidence"]) == ("tiny", False)
    assert shown["examples"][:2] == ["a great goal and a good price", "The match was awful, the price is bad!"]


def golden(text, *logits):
    return GoldenText(text=text, ids=(1,), logits={"mood": logits})


def test_examples_show_each_label_and_then_the_surest_answers():
    task = TaskSpec(name="mood", kind="single_label", labels=("sad", "glad", "calm"))
    texts = [
        golden("a little sad perhaps", 1, 0, 0),
        golden("so very sad indeed", 9, 0, 0),
        golden("glad about the sun", 0, 5, 0),
        golden("calm as it can be", 0, 0, 1),
        golden("short", 0, 0, 9),
        golden("zero\u200bwidth and nul\x00byte", 0, 0, 9),
        golden("?!?!?!?!?!?!?!?!?!", 0, 0, 9),
        golden("word " * 50, 0, 0, 9),
    ]
    chosen = choose_examples(texts, [task])
    assert chosen == ("so very sad indeed", "glad about the sun", "calm as it can be", "a little sad perhaps")


def test_a_regression_alone_has_examples_too():
    task = TaskSpec(name="mood", kind="regression")
    assert choose_examples([golden("a sentence of some words", 2.5)], [task]) == ("a sentence of some words",)


def test_a_bundle_that_has_changed_on_disk_shows_nothing(verified):
    bundle, model = verified
    shutil.rmtree(bundle)
    with RunningServer([model]) as server:
        assert server.ask("GET", "/ui/models")[2]["models"] == [{"name": "verified", "examples": [], "evidence": False}]
        assert server.ask("GET", "/ui/evidence/verified")[0] == 404


def test_the_evidence_page_is_the_one_that_the_gate_wrote(verified):
    bundle, model = verified
    (file,) = (bundle / "evidence").glob("*.html")
    written = file.read_bytes()
    file.write_text("<script>alert(1)</script>")
    with RunningServer([model]) as server:
        assert server.ask("GET", "/ui/models")[2]["models"][0]["evidence"]
        status, headers, content = server.ask("GET", "/ui/evidence/verified")
    assert (status, content) == (200, written)
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy.endswith("; sandbox")
    assert "unsafe" not in policy


def test_evidence_of_another_bundle_is_not_shown(verified):
    _, model = verified
    source = dataclasses.replace(model.classifier.source, digest="0" * 64)
    other = ServedModel(name="other", classifier=dataclasses.replace(model.classifier, source=source))
    with RunningServer([other]) as server:
        assert server.ask("GET", "/ui/evidence/other")[0] == 404
        assert server.ask("GET", "/ui/models")[2]["models"][0]["examples"] == []


def test_damaged_evidence_leaves_the_page_without_it(verified):
    bundle, model = verified
    (file,) = (bundle / "evidence").glob("*.json")
    file.write_text(file.read_text().replace('"reference"', '"preference"'))
    with RunningServer([model]) as server:
        assert server.ask("GET", "/ui/evidence/verified")[0] == 404
        assert not server.ask("GET", "/ui/models")[2]["models"][0]["evidence"]


@pytest.mark.parametrize(
    ("address", "options", "shows"),
    [
        (Address(), {}, True),
        (Address(host="::1"), {}, True),
        (Address(host="localhost"), {}, True),
        (Address(host="0.0.0.0", unix_socket=Path("socket")), {}, True),
        (Address(host="0.0.0.0"), {}, False),
        (Address(host="example.org"), {}, False),
        (Address(host="0.0.0.0"), {"api_keys": Path("keys")}, True),
        (Address(host="0.0.0.0"), {"environment_keys": ("k-e-y",)}, True),
        (Address(host="0.0.0.0"), {"page_data": True}, True),
        (Address(), {"page_data": False}, False),
    ],
)
def test_sentences_of_the_bundle_are_shown_only_where_strangers_cannot_ask(address, options, shows):
    settings = ServerSettings(bundles={}, address=address, **options)
    assert settings.has_page_data == shows
    paths = {route.path for protocol in choose_protocols(page_data=shows) for route in protocol.routes}
    assert ("/ui/models" in paths) == ("/ui/evidence/{model}" in paths) == shows
    assert "/ui" in paths


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000"])
def test_a_page_of_this_machine_is_shown_sentences_where_only_the_address_keeps_strangers_out(model, host):
    with RunningServer([model], protocols=choose_protocols(page_data=True, local_pages=True)) as server:
        assert server.ask("GET", "/ui/models", Host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.example:8000", "127.0.0.1.evil.example", "192.168.0.7", "[::1", "", "a@b:c"])
def test_a_page_that_only_leads_to_this_machine_is_shown_none(model, host):
    """A name of a stranger's site may point to 127.0.0.1, and a proxy may bring strangers."""
    with RunningServer([model], protocols=choose_protocols(page_data=True, local_pages=True)) as server:
        for path in ("/ui/models", "/ui/evidence/tiny"):
            status, _, problem = server.ask("GET", path, Host=host)
            assert (status, problem["type"]) == (403, "urn:mtl-export:problem:forbidden")
        assert server.ask("GET", "/ui", Host=host)[0] == 200


@pytest.mark.parametrize(
    ("address", "options", "is_needed"),
    [
        (Address(), {}, True),
        (Address(unix_socket=Path("socket")), {}, False),
        (Address(), {"api_keys": Path("keys")}, False),
        (Address(), {"environment_keys": ("k-e-y",)}, False),
        (Address(), {"page_data": True}, False),
    ],
)
def test_hosts_are_compared_only_where_nothing_else_keeps_strangers_out(address, options, is_needed):
    assert ServerSettings(bundles={}, address=address, **options).is_for_local_pages == is_needed


@pytest.mark.parametrize(
    ("address", "page"),
    [
        (Address(), "http://127.0.0.1:8000"),
        (Address(host="0.0.0.0", port=80), "http://127.0.0.1:80"),
        (Address(host="::", certificate=Path("c"), private_key=Path("k")), "https://[::1]:8000"),
        (Address(host="example.org"), "http://example.org:8000"),
        (Address(unix_socket=Path("socket")), None),
    ],
)
def test_a_browser_on_this_machine_can_open_the_page_by_the_address_that_is_named(address, page):
    assert page_address(address) == page
