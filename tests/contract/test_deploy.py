"""The files of deploy/ fit `mtl serve`: options, variables, ports, probes, deadlines; `make test-deploy` lints them."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from mtl_runtime.cli.serve import serve
from mtl_runtime.server.limits import Limits
from mtl_runtime.server.protocols.health import PROTOCOL

DEPLOY = Path(__file__).parents[2] / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text("utf-8")
UNIT = (DEPLOY / "mtl-serve.service").read_text("utf-8")
DEPLOYMENT, SERVICE = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8"))
INFERENCE_SERVICE = yaml.safe_load((DEPLOY / "kserve.yaml").read_text("utf-8"))
POD = DEPLOYMENT["spec"]["template"]["spec"]
PREDICTOR = INFERENCE_SERVICE["spec"]["predictor"]
CONTAINERS = {"Deployment": POD["containers"][0], "InferenceService": PREDICTOR["containers"][0]}
SECONDS_TO_EXIT = 5  # after the drain


def instruction(name):
    """What follows the last such instruction of the Containerfile, with continued lines as one."""
    joined = CONTAINERFILE.replace("\\\n", "")
    return re.findall(rf"^{name} (.*)$", joined, re.MULTILINE)[-1].strip()


def unit_settings():
    lines = (line for line in UNIT.splitlines() if "=" in line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


ARGUMENTS = {
    "Containerfile": json.loads(instruction("CMD")),
    "systemd": shlex.split(unit_settings()["ExecStart"])[2:],
    **{kind: container["args"] for kind, container in CONTAINERS.items()},
}


@pytest.mark.parametrize("place", ARGUMENTS)
def test_mtl_serve_takes_the_arguments(place):
    context = serve.make_context("serve", list(ARGUMENTS[place]))
    assert len(context.params["bundles"]) == 1
    assert (context.params["host"] == "127.0.0.1") is (place == "systemd"), "a container answers beyond itself"


def test_the_image_starts_mtl_serve():
    entry = json.loads(instruction("ENTRYPOINT"))
    assert entry == ["/opt/mtl/bin/mtl", "serve"]
    assert shlex.split(unit_settings()["ExecStart"])[:2] == entry


def test_variables_are_those_of_the_help():
    help_text = serve.get_help(serve.make_context("serve", ["--help"], resilient_parsing=True))
    names = [variable["name"] for container in CONTAINERS.values() for variable in container.get("env", [])]
    names += [instruction("ENV").split("=")[0], unit_settings()["Environment"].split("=")[0]]
    assert "MTL_API_KEYS_FILE" in names
    for name in names:
        assert name in help_text or name == "XDG_CACHE_HOME", f"mtl serve knows no {name}"


@pytest.mark.parametrize("kind", CONTAINERS)
def test_probes_ask_routes_that_need_no_key_at_the_port_of_the_server(kind):
    container = CONTAINERS[kind]
    port = serve.make_context("serve", list(container["args"])).params["port"]
    (listed,) = container["ports"]
    assert listed["containerPort"] == port
    public = {route.path for route in PROTOCOL.routes if route.is_public}
    paths = {
        name: container[name]["httpGet"]["path"]
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
        if name in container
    }
    assert set(paths.values()) <= public
    assert paths["livenessProbe"] != paths["readinessProbe"], "while it stops, a server is alive and not ready"
    assert all(container[name]["httpGet"]["port"] in (port, listed.get("name")) for name in paths)


def test_the_image_asks_whether_it_is_ready_at_the_port_of_the_server():
    port = serve.make_context("serve", list(ARGUMENTS["Containerfile"])).params["port"]
    assert f"http://127.0.0.1:{port}/v2/health/ready" in instruction("HEALTHCHECK")
    assert instruction("EXPOSE") == str(port)


def test_the_service_finds_the_pods():
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert SERVICE["spec"]["selector"].items() <= labels.items()
    assert [port["targetPort"] for port in SERVICE["spec"]["ports"]] == ["http"]


def test_requests_under_way_are_answered_before_a_server_is_killed():
    drain = Limits().drain_seconds
    _, before = CONTAINERS["Deployment"]["lifecycle"]["preStop"]["exec"]["command"]
    assert POD["terminationGracePeriodSeconds"] >= int(before) + drain + SECONDS_TO_EXIT
    predictor = serve.make_context("serve", list(CONTAINERS["InferenceService"]["args"])).params
    assert PREDICTOR.get("terminationGracePeriodSeconds", 30) >= predictor["drain_seconds"] + SECONDS_TO_EXIT
    assert int(unit_settings()["TimeoutStopSec"]) >= drain + SECONDS_TO_EXIT
    assert unit_settings()["KillMode"] == "mixed"


@pytest.mark.parametrize("kind", CONTAINERS)
def test_containers_have_limits_and_no_rights(kind):
    container = CONTAINERS[kind]
    assert container["resources"]["limits"].keys() == container["resources"]["requests"].keys() == {"cpu", "memory"}
    rights = (
        {**POD["securityContext"], **container["securityContext"]}
        if kind == "Deployment"
        else container["securityContext"]
    )
    assert rights["runAsNonRoot"]
    assert f"{rights['runAsUser']}:{rights['runAsUser']}" == instruction("USER")
    assert rights["allowPrivilegeEscalation"] is False
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}


def test_what_the_deployment_mounts_is_where_the_server_writes_and_reads():
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINERS["Deployment"]["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in POD["volumes"]}
    assert mounts["tmp"] == instruction("ENV").removeprefix("XDG_CACHE_HOME=")
    (keys,) = (one["value"] for one in CONTAINERS["Deployment"]["env"] if one["name"] == "MTL_API_KEYS_FILE")
    assert str(Path(keys).parent) == mounts["keys"]


def test_systemd_accepts_the_unit_and_finds_little_exposed(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "mtl-serve.service"
    unit.write_text(
        UNIT.replace("/opt/mtl/bin/mtl", shutil.which("true")), "utf-8"
    )  # it asks for a program that exists
    for command in (["verify", "--man=no"], ["security", "--offline=true", "--threshold=15", "--no-pager"]):
        done = subprocess.run([analyze, *command, str(unit)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
