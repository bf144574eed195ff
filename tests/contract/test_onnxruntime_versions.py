"""A bundle made under one version of onnxruntime serves its int8 variant under another, both ways.

``make test-onnxruntime-versions`` installs other versions, each into a folder of its own, and names them in
MTL_OTHER_ONNXRUNTIMES; without that these tests are skipped. Export and service are processes of their own: what is
imported, read and remembered is real.
"""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mtl_export.config import Config
from mtl_export.training import train
from tests.export.tiny import CONFIG, project

FOLDERS = [Path(name) for name in os.environ.get("MTL_OTHER_ONNXRUNTIMES", "").split(os.pathsep) if name]
HERE = None  # the onnxruntime of this environment
TEXTS = ["a lovely film", "the soup was awful and dull", "", "plain bread", "superb scene " * 30]
EXPORT = """
    import json, sys
    import onnxruntime
    from mtl_export.bundling.export_bundle import export_bundle
    exported = export_bundle(sys.argv[1], sys.argv[2], variants=["cpu-int8"])
    print(json.dumps([onnxruntime.__version__, exported.evidence.variants["cpu-int8"].status]))
"""
SERVE = """
    import json, sys
    from mtl_runtime import load
    classifier = load(sys.argv[1])
    predictions = classifier(json.loads(sys.argv[2]))
    answers = [{task: prediction[task].label for task in prediction} for prediction in predictions]
    info = classifier.info
    print(json.dumps([info.onnxruntime, info.variant, info.reason, info.fallback, answers]))
"""

pytestmark = pytest.mark.skipif(not FOLDERS, reason="make test-onnxruntime-versions names other versions")


def run(code, onnxruntime, *arguments, cache):
    """What a fresh process prints that imports the onnxruntime in that folder."""
    paths = [*([str(onnxruntime)] if onnxruntime else []), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("project"))
    train(Config.from_dict(CONFIG, folder=folder), folder / "checkpoint")
    return folder / "checkpoint"


@pytest.fixture(scope="module")
def bundles(checkpoint, tmp_path_factory):
    """``bundles(onnxruntime)`` -> the bundle made under it, and its version; each is made once."""
    made = {}

    def make(onnxruntime):
        if onnxruntime not in made:
            folder = tmp_path_factory.mktemp("made")
            version, status = run(EXPORT, onnxruntime, checkpoint, folder / "bundle", cache=folder / "cache")
            assert status == "verified"
            prefer_int8(folder / "bundle")
            made[onnxruntime] = folder / "bundle", version
        return made[onnxruntime]

    return make


def prefer_int8(bundle):
    """In a model as tiny as this one int8 need not be faster, which is not what is tested here."""
    (file,) = (bundle / "evidence").glob("*.json")
    content = json.loads(file.read_text("utf-8"))
    content["variants"]["cpu-int8"]["speed"] |= {"median": 2.0, "low": 2.0, "high": 2.0}
    file.write_text(json.dumps(content), "utf-8")


@pytest.mark.parametrize("other", FOLDERS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("made_under_the_other", [False, True])
def test_a_bundle_made_under_one_version_serves_int8_under_another(bundles, other, made_under_the_other, tmp_path):
    maker, server = (other, HERE) if made_under_the_other else (HERE, other)
    bundle, made_under = bundles(maker)
    texts = json.dumps(TEXTS)
    version, variant, reason, fallback, answers = run(SERVE, server, bundle, texts, cache=tmp_path)
    assert version != made_under
    assert (variant, fallback) == ("cpu-int8", None)
    assert f"with onnxruntime {made_under}, 2.00x cpu-fp32 there; its golden answers hold here" in reason
    assert answers == run(SERVE, maker, bundle, texts, cache=tmp_path)[-1]
    assert run(SERVE, server, bundle, texts, cache=tmp_path)[1:] == [variant, reason, fallback, answers]
