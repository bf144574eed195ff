"""Container file, manifests: as their linters see them, and the steps of the container file without a container."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
CONTAINERFILE = DEPLOY / "Containerfile"
IMAGE, WHEEL = Path(os.environ["MTL_TEST_IMAGE"]), Path(os.environ["MTL_TEST_WHEEL"])
OF_KSERVE = {"minReplicas", "maxReplicas"}  # the rest of a predictor is a pod's specification
SECONDS_TO_START = 60


def manifests(name):
    return list(yaml.safe_load_all((DEPLOY / name).read_text("utf-8")))


def instruction(name):
    """What follows the last such instruction, with continued lines as one."""
    joined = CONTAINERFILE.read_text("utf-8").replace("\\\n", "")
    return re.findall(rf"^{name} (.*)$", joined, re.MULTILINE)[-1].strip()


def in_image(text):
    """A command or path of the image -> the same below the folder that stands in for its root."""
    # In one go: the folder may itself lie below /tmp.
    return re.sub("/opt/mtl|/tmp/|/bundle", lambda path: f"{IMAGE}{path[0]}", text)


def test_hadolint_finds_nothing_in_the_container_file():
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, CONTAINERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_accepts_the_manifests(version):
    for manifest in manifests("kubernetes.yaml"):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_wrong_key_would_be_found():
    deployment, _ = manifests("kubernetes.yaml")
    deployment["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["period"] = 3
    with pytest.raises(kubernetes_validate.ValidationError, match="period"):
        kubernetes_validate.validate(deployment, "1.37", strict=True)


def test_the_predictor_of_kserve_is_a_pod():
    (service,) = manifests("kserve.yaml")
    predictor = {key: value for key, value in service["spec"]["predictor"].items() if key not in OF_KSERVE}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": service["metadata"], "spec": predictor}
    kubernetes_validate.validate(pod, "1.37", strict=True)


@pytest.fixture(scope="module")
def image():
    """What the first stage of the container file builds, in a folder instead of an image."""
    (IMAGE / "opt").mkdir()
    (IMAGE / "tmp").mkdir()
    for file in (WHEEL, DEPLOY.parent / "constraints.txt"):
        shutil.copy(file, IMAGE / "tmp")
    shutil.copytree(os.environ["MTL_TEST_BUNDLE"], IMAGE / "bundle")
    provider = re.search(r"^ARG PROVIDER=(\w+)$", CONTAINERFILE.read_text("utf-8"), re.MULTILINE)[1]
    # `python` and `pip` of the image: of the environment in which this test runs.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PROVIDER": provider, "PYTHONPATH": ""}
    subprocess.run(["sh", "-ec", in_image(instruction("RUN"))], env=environment, check=True)
    return IMAGE


def test_the_image_has_no_torch_and_serves(image):
    packages = next((image / "opt" / "mtl" / "lib").glob("python3.*/site-packages"))
    installed = {path.name.partition("-")[0].lower() for path in packages.glob("*.dist-info")}
    assert {"mtl_export", "onnxruntime", "starlette", "grpcio"} <= installed
    assert installed & {"torch", "transformers", "onnx", "pip"} == set()

    port = os.environ["MTL_TEST_PORT"]
    command = [in_image(part) for part in json.loads(instruction("ENTRYPOINT")) + json.loads(instruction("CMD"))]
    (image / "cache").mkdir()
    environment = {"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(image / "cache")}
    check = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2].replace(":8000", f":{port}"))
    with subprocess.Popen([*command, "--port", port], env=environment) as server:
        give_up = time.monotonic() + SECONDS_TO_START
        while subprocess.run([in_image(part) for part in check], stderr=subprocess.DEVNULL, check=False).returncode:
            assert server.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.2)
        server.send_signal(signal.SIGTERM)
        assert server.wait(SECONDS_TO_START) == 0
