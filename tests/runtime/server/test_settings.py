from pathlib import Path

import pytest

from mtl_runtime.errors import MtlError
from mtl_runtime.server.settings import Address, BundleSource, ServerSettings, Shadow, Split, name_bundles


def test_a_bundle_is_called_like_its_folder_unless_it_gets_a_name(tmp_path):
    found = name_bundles([str(tmp_path / "reviews"), f"new={tmp_path}/other@cpu-fp32"])
    assert found == {
        "reviews": BundleSource(tmp_path / "reviews"),
        "new": BundleSource(tmp_path / "other", "cpu-fp32"),
    }


def test_a_folder_with_an_at_in_its_name_is_no_variant(tmp_path):
    (tmp_path / "model@3").mkdir()
    assert BundleSource.parse(str(tmp_path / "model@3")) == BundleSource(tmp_path / "model@3")


@pytest.mark.parametrize("arguments", [["a/b", "c/b"], ["=x"], ["a b"], ["../.."], ["n/m=x"], ["a" * 129]])
def test_names_that_clash_or_cannot_stand_in_a_url_are_refused(arguments):
    with pytest.raises(MtlError):
        name_bundles(arguments)


def test_splits_and_shadows_are_read():
    assert Split.parse("live=a:9,b:1") == Split("live", {"a": 9.0, "b": 1.0})
    assert Shadow.parse("a=b:0.25") == Shadow("a", "b", 0.25)
    assert Shadow.parse("a=b") == Shadow("a", "b", 1.0)


@pytest.mark.parametrize("text", ["", "live", "live=a:1", "live=a,b", "live=a:1,b:0", "live=a:1,b:x", "a b=a:1,b:1"])
def test_a_malformed_split_says_how_one_is_written(text):
    with pytest.raises(MtlError, match=r"NAME=MODEL:WEIGHT|positive number"):
        Split.parse(text)


@pytest.mark.parametrize("text", ["", "a", "a=", "=b", "a=a", "a=b:2", "a=b:0", "a=b:nan"])
def test_a_malformed_shadow_says_how_one_is_written(text):
    with pytest.raises(MtlError, match=r"MODEL=SHADOW|positive number"):
        Shadow.parse(text)


def test_splits_and_shadows_name_bundles_that_are_served():
    bundles = {"a": BundleSource(Path("a")), "b": BundleSource(Path("b"))}
    ServerSettings(bundles=bundles, splits=[Split("live", {"a": 1, "b": 1})], shadows=[Shadow("a", "b")])
    for wrong in ({"splits": [Split("a", {"a": 1, "b": 1})]}, {"shadows": [Shadow("a", "c")]}):
        with pytest.raises(MtlError):
            ServerSettings(bundles=bundles, **wrong)


def test_addresses_are_read_and_written():
    assert str(Address.parse("[::1]:80")) == "http://[::1]:80"
    assert Address.parse("0.0.0.0:9") == Address(host="0.0.0.0", port=9)
    for wrong in ("", "host", "host:", ":1", "host:99999", "host:x"):
        with pytest.raises(MtlError):
            Address.parse(wrong)
    with pytest.raises(MtlError, match="give both"):
        Address(certificate=Path("x"))


def test_an_admin_address_that_others_reach_needs_keys():
    public = Address(host="0.0.0.0", port=8001)
    with pytest.raises(MtlError, match="could reload bundles; add --api-keys"):
        ServerSettings(bundles={}, admin=public)
    assert ServerSettings(bundles={}, admin=public, api_keys=Path("keys")).admin == public
    assert ServerSettings(bundles={}, admin=public, environment_keys=("k-e-y",)).admin == public
    assert ServerSettings(bundles={}, admin=Address(port=8001)).admin
