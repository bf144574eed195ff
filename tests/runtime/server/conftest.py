import shutil

import pytest

pytest.importorskip("uvicorn", reason="mtl-export[serve] is not installed")
pytest.importorskip("starlette", reason="mtl-export[serve] is not installed")
pytest.importorskip("msgspec", reason="mtl-export[serve] is not installed")

from mtl_runtime import load
from mtl_runtime.server.served_model import ServedModel
from tests.runtime.server.running import RunningServer


@pytest.fixture(scope="session")
def classifier(bundle_path):
    return load(bundle_path, threads=2)


@pytest.fixture(scope="session")
def model(classifier):
    return ServedModel(name="tiny", classifier=classifier)


@pytest.fixture(scope="session")
def server(model):
    with RunningServer([model]) as running:
        yield running


@pytest.fixture
def versions(tmp_path, bundle_path, change_manifest):
    """Two versions of a bundle, and a link to the first."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        shutil.copytree(bundle_path, folder)
    change_manifest(folders[1], text_columns=["other"])
    link = tmp_path / "bundle"
    link.symlink_to(folders[0])
    return link, folders
