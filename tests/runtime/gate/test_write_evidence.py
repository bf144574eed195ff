"""Evidence is stored where `load` finds it, and a measurement outlives every folder that cannot be written."""

import tempfile

import pytest

from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.gate_config import GateBudget, GateConfig
from mtl_runtime.core.records import to_dict
from mtl_runtime.diagnostics.doctor import diagnose
from mtl_runtime.errors import MtlError
from mtl_runtime.evidence.files import evidence_folders
from mtl_runtime.gate import verify as verify_module
from mtl_runtime.gate.verify import verify


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The user's cache folder, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def block(folder):
    """Put a file in the folder's place: it keeps root from writing there, as permissions do not."""
    folder.write_text("not a folder")


def test_evidence_goes_into_the_bundle_where_it_can(bundle_copy, cache):
    assert evidence_folders(Bundle.open(bundle_copy))[0] == bundle_copy / "evidence"
    assert verify(bundle_copy).passed
    assert not cache.exists()


def test_evidence_goes_into_the_users_cache_where_the_bundle_cannot_be_written(bundle_copy, cache):
    block(bundle_copy / "evidence")
    report = verify(bundle_copy)
    assert report.passed
    assert report.page is not None
    assert report.page.startswith(str(cache))
    assert report.storage_problem is None
    assert "verified on this kind of machine" in load(bundle_copy).info.reason


def test_the_verdict_is_reported_where_nothing_can_be_written(bundle_copy, cache):
    block(bundle_copy / "evidence")
    block(cache)
    report = verify(bundle_copy)
    assert report.passed
    assert report.evidence is not None
    assert {variant.status for variant in report.evidence.variants.values()} == {"verified"}
    assert report.page is None
    for folder in (bundle_copy / "evidence", cache):
        assert str(folder) in report.storage_problem
    assert "XDG_CACHE_HOME" in report.storage_problem
    assert load(bundle_copy).info.variant == "cpu-fp32"


def test_a_variant_that_fails_its_gate_is_reported_there_too(bundle_copy, cache, change_manifest):
    block(bundle_copy / "evidence")
    block(cache)
    strict = to_dict(GateConfig(budget=GateBudget(max_logit_difference=1e-6)))
    change_manifest(bundle_copy, gate=strict)
    report = verify(bundle_copy, variants=["cpu-int8"])
    assert not report.passed
    assert report.page is None
    (problem,) = (check for check in report.checks if check.passed is False)
    assert problem.name == "cpu-int8: gate"


def test_verify_and_doctor_need_no_folder_for_temporary_files(bundle_copy, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no" / "such" / "folder"))
    report = verify(bundle_copy)
    assert report.passed
    assert report.evidence is not None
    assert all(variant.operators == {} for variant in report.evidence.variants.values())
    diagnosis = diagnose(bundle_copy)
    assert diagnosis.problems == ()
    assert [trial.works for trial in diagnosis.variants] == [True, True]
    assert "cannot be listed (No such file or directory)" in diagnosis.variants[0].detail


def test_a_date_that_evidence_cannot_have_is_found_before_the_work(bundle_copy, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    monkeypatch.setattr(verify_module, "gate_bundle", lambda *_, **__: pytest.fail("it has measured already"))
    with pytest.raises(MtlError, match="SOURCE_DATE_EPOCH is 'yesterday'"):
        verify(bundle_copy)
