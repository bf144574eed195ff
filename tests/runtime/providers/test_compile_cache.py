"""What a provider compiled is used again only if its bytes match the cache's manifest."""

import dataclasses
import logging
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.providers.compile_cache import cache_key, compile_cache

KEY = "k" * 64
GRAPH = FileSpec.of(b"a graph")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "mtl-export" / "compiled"


def compile_into(folder, content=b"compiled"):
    """A provider: compiles where it finds nothing; returns whether it did."""
    blob = folder / "part" / "1.blob"
    if blob.exists():
        return False
    blob.parent.mkdir()
    blob.write_bytes(content)
    return True


def compiles():
    with compile_cache(KEY) as folder:
        return compile_into(folder)


def test_what_was_compiled_once_is_used_again(home):
    assert [compiles(), compiles(), compiles()] == [True, False, False]
    assert [entry.name for entry in home.iterdir()] == [KEY]


def test_the_log_says_whether_a_compiled_graph_was_found(home, caplog):
    caplog.set_level(logging.INFO, "mtl_runtime.providers")
    compiles()
    compiles()
    miss, hit = caplog.messages
    assert miss == f"cache miss: the provider compiles the graph into {home / KEY}"
    assert hit == f"cache hit: the compiled graph is in {home / KEY}"


def damage(home, kind):
    blob, manifest = home / KEY / "part" / "1.blob", home / KEY / "seal.json"
    if kind == "a flipped bit":
        blob.write_bytes(b"compilee")
    elif kind == "a cut file":
        blob.write_bytes(b"comp")
    elif kind == "a further file":
        (home / KEY / "2.blob").write_bytes(b"")
    elif kind == "a missing file":
        blob.unlink()
    elif kind == "no manifest":
        manifest.unlink()
    else:
        manifest.write_text("{}")


@pytest.mark.parametrize(
    "kind", ["a flipped bit", "a cut file", "a further file", "a missing file", "no manifest", "an empty manifest"]
)
def test_a_damaged_folder_is_compiled_again_and_then_used(home, kind):
    compiles()
    damage(home, kind)
    assert [compiles(), compiles()] == [True, False]


def test_a_session_that_does_not_open_leaves_nothing(home):
    def fail():
        with compile_cache(KEY) as folder:
            compile_into(folder)
            raise RuntimeError("no session")

    with pytest.raises(RuntimeError, match="no session"):
        fail()
    assert list(home.iterdir()) == []
    assert compiles()


def test_a_provider_that_writes_nothing_leaves_nothing(home):
    with compile_cache(KEY):
        pass
    assert list(home.iterdir()) == []


def test_many_sessions_at_once_end_with_one_valid_folder(home):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: compiles(), range(40)))
    assert not compiles()
    assert [entry.name for entry in home.iterdir()] == [KEY]


def test_a_valid_folder_that_others_may_be_reading_is_not_replaced(home):
    with compile_cache(KEY) as slower:
        compile_into(slower, b"compiled too")
        assert compiles()
    assert (home / KEY / "part" / "1.blob").read_bytes() == b"compiled"
    assert [entry.name for entry in home.iterdir()] == [KEY]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_a_home_that_may_not_be_written_is_done_without(tmp_path):
    tmp_path.chmod(0o500)
    with compile_cache(KEY) as folder:
        assert folder is None


def test_each_thing_that_a_compiled_graph_depends_on_has_a_folder_of_its_own():
    here = machine_facts()
    other = dataclasses.replace(here, cpu="another processor")
    keys = {
        cache_key(GRAPH, "openvino", {}, here, "1.0"),
        cache_key(FileSpec.of(b"another graph"), "openvino", {}, here, "1.0"),
        cache_key(GRAPH, "tensorrt", {}, here, "1.0"),
        cache_key(GRAPH, "openvino", {"INFERENCE_PRECISION_HINT": "bf16"}, here, "1.0"),
        cache_key(GRAPH, "openvino", {}, other, "1.0"),
        cache_key(GRAPH, "openvino", {}, here, "1.1"),
    }
    assert len(keys) == 6
    assert cache_key(GRAPH, "openvino", {"a": "1", "b": "2"}, here, "1") == cache_key(
        GRAPH, "openvino", {"b": "2", "a": "1"}, here, "1"
    )
