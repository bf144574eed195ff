import pytest

from mtl_runtime.errors import MtlError
from mtl_runtime.server.failures import UnauthorizedError
from mtl_runtime.server.http.authentication import ApiKeys
from mtl_runtime.server.settings import Address, BundleSource, ServerSettings, split_keys


class Headers(dict):
    def header(self, name):
        return self.get(name)


def passes(keys, key):
    try:
        keys.check(Headers({"x-api-key": key}))
    except UnauthorizedError:
        return False
    keys.check(Headers({"authorization": f"Bearer {key}"}))
    return True


def test_keys_of_the_file_and_of_the_environment_are_both_known(tmp_path):
    file = tmp_path / "keys"
    file.write_text("# ours\n\n one \ntwo\n")
    keys = ApiKeys(split_keys("three, four\n"), file)
    assert len(keys) == 4
    assert all(passes(keys, key) for key in ("one", "two", "three", "four"))
    assert not any(passes(keys, key) for key in ("", "# ours", "five", "one two"))


def test_a_changed_file_takes_effect_when_it_is_read_again(tmp_path):
    file = tmp_path / "keys"
    file.write_text("old\n")
    keys = ApiKeys(["fixed"], file)
    file.write_text("new\n")
    assert passes(keys, "old")
    keys.reload()
    assert [passes(keys, key) for key in ("old", "new", "fixed")] == [False, True, True]


@pytest.mark.parametrize("content", [None, b"", b"# none\n", b"\xff\xfe"])
def test_a_broken_file_leaves_the_keys_as_they_are(tmp_path, content):
    file = tmp_path / "keys"
    file.write_text("old\n")
    keys = ApiKeys((), file)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(MtlError, match="keys"):
        keys.reload()
    assert passes(keys, "old")
    with pytest.raises(MtlError, match="keys"):
        ApiKeys((), file)


def test_a_variable_that_is_set_but_empty_opens_no_server():
    with pytest.raises(MtlError, match="MTL_API_KEYS"):
        split_keys(" , \n")


def test_settings_show_no_key(tmp_path):
    settings = ServerSettings(
        bundles={"a": BundleSource(tmp_path)}, address=Address(host="0.0.0.0"), environment_keys=("secret",)
    )
    assert "secret" not in repr(settings)
    assert settings.has_page_data
