"""A bundle in a hub cache, where every file is a link, is read like any other; links that lead elsewhere are not."""

import os
import shutil
from pathlib import Path

import pytest

from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import IntegrityError
from mtl_runtime.gate.verify import verify
from tests.runtime.bundle.hub_layout import snapshot_of


@pytest.fixture(autouse=True)
def user_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    return tmp_path / "user"


@pytest.fixture
def snapshot(bundle_path, tmp_path):
    return snapshot_of(bundle_path, tmp_path / "hub")


def files_below(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("layout", [{}, {"shared": True}, {"inside": "onnx/v2"}])
def test_a_bundle_in_a_hub_cache_can_be_loaded(bundle_path, classifier, tmp_path, layout):
    snapshot = snapshot_of(bundle_path, tmp_path / "hub", **layout)
    assert (snapshot / "model.onnx").is_symlink()
    assert load(snapshot)("the soup was great") == classifier("the soup was great")
    for variant in ("cpu-fp32", "cpu-int8"):
        assert load(snapshot, variant=variant).info.variant == variant


def test_a_link_to_the_snapshot_or_to_the_whole_cache_changes_nothing(snapshot, tmp_path, monkeypatch):
    (tmp_path / "current").symlink_to(snapshot)
    assert load(tmp_path / "current")("good")["sentiment"].label == "positive"
    (tmp_path / "elsewhere").symlink_to(tmp_path / "hub")
    assert (
        load(tmp_path / "elsewhere" / snapshot.relative_to(tmp_path / "hub"))("good")["sentiment"].label == "positive"
    )
    monkeypatch.chdir(snapshot.parent)
    assert load(snapshot.name)("good")["sentiment"].label == "positive"


def test_verify_passes_there_and_leaves_the_hubs_cache_as_it_is(snapshot, tmp_path, user_cache):
    before = files_below(tmp_path / "hub")
    report = verify(snapshot)
    assert report.passed, report.checks
    assert files_below(tmp_path / "hub") == before
    assert report.page is not None
    assert report.page.startswith(str(user_cache))
    assert "verified on this kind of machine" in load(snapshot).info.reason


def test_the_page_is_named_after_the_repository_and_not_after_its_revision(snapshot):
    assert "somebody/something" in Path(verify(snapshot).page).read_text("utf-8")


def test_evidence_that_was_uploaded_with_the_bundle_counts(bundle_copy, tmp_path):
    assert verify(bundle_copy).passed
    assert "verified on this kind of machine" in load(snapshot_of(bundle_copy, tmp_path / "hub")).info.reason


@pytest.mark.parametrize("name", ["manifest.json", "tokenizer.json", "model.onnx"])
@pytest.mark.parametrize(
    "target", ["outside", "refs/main", "blobs", "gone", "circle", "../models--other--one/blobs/file"]
)
def test_a_link_that_leads_elsewhere_is_refused_by_name(snapshot, tmp_path, name, target):
    link, repository = snapshot / name, snapshot.parent.parent
    content = link.read_bytes()
    link.unlink()
    place = {"outside": tmp_path / "outside", "gone": repository / "blobs" / "gone", "circle": link}.get(target)
    place = place or repository / target
    if target not in {"blobs", "gone", "circle"}:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    link.symlink_to(place)
    with pytest.raises(IntegrityError, match=f"{name}: is a link, but not to a blob"):
        load(snapshot)


def test_a_hub_cache_gives_no_leave_to_folders_next_to_it(snapshot, bundle_copy):
    (bundle_copy / "model.onnx").unlink()
    (bundle_copy / "model.onnx").symlink_to((snapshot / "model.onnx").resolve())
    with pytest.raises(IntegrityError, match=r"model\.onnx: is a link, but not to a blob"):
        load(bundle_copy)


@pytest.mark.parametrize("name", ["tokenizer.json", "model.onnx"])
def test_a_blob_that_was_changed_is_refused(snapshot, name):
    blob = (snapshot / name).resolve()
    data = bytearray(blob.read_bytes())
    data[0] ^= 1
    blob.write_bytes(data)
    with pytest.raises(IntegrityError, match=f"{name}: has another SHA-256"):
        load(snapshot)


def test_what_was_hashed_is_what_is_parsed_though_the_link_is_replaced_meanwhile(snapshot):
    checked = Bundle.open(snapshot).check("model.onnx")
    content = checked.read_bytes()
    link = snapshot / "model.onnx"
    link.unlink()
    link.symlink_to(os.path.relpath((snapshot / "model.int8.onnx").resolve(), snapshot))
    assert checked.read_bytes() == content
    with pytest.raises(IntegrityError, match=r"model\.onnx: has"):
        Bundle.open(snapshot).check("model.onnx")


def test_a_copy_that_follows_the_links_is_an_ordinary_bundle(snapshot, tmp_path):
    copy = shutil.copytree(snapshot, tmp_path / "copy")
    assert not (copy / "model.onnx").is_symlink()
    assert verify(copy).passed
    assert (copy / "evidence").is_dir()
