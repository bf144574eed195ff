"""Cores that a process may really use, read from fake cgroup files."""

import dataclasses

import pytest

from mtl_runtime.core.machine import allowed_cores, cgroup_quota, machine_facts


@pytest.fixture
def files(tmp_path):
    """``files({"cpu.max": "..."}, own="...")`` makes a cgroup tree and gives cgroup_quota's answer."""

    def quota(contents, own):
        for name, text in contents.items():
            file = tmp_path / "cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (tmp_path / "own").write_text(own)
        return cgroup_quota(tmp_path / "cgroup", tmp_path / "own")

    return quota


@pytest.mark.parametrize(
    ("contents", "own", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 1.5),
        ({"cpu.max": "max 100000\n"}, "0::/\n", None),
        ({"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "200000 100000\n"}, "0::/a/b\n", 2.0),
        ({"a/cpu.max": "200000 100000\n", "x/cpu.max": "100000 100000\n"}, "0::/a\n", 2.0),
        ({"cpu.max": "50000"}, "0::/not/mounted/here\n", 0.5),
        ({}, "", None),
    ],
)
def test_a_version_2_quota_is_the_tightest_on_the_way_up(files, contents, own, expected):
    assert files(contents, own) == expected


def v1(folder, quota, period="100000"):
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(
    ("contents", "own", "expected"),
    [
        (v1("cpu", "300000"), "4:memory:/\n3:cpu:/\n", 3.0),
        (v1("cpu", "-1"), "3:cpu:/\n", None),
        (v1("cpu,cpuacct/docker/c1", "25000", "50000"), "3:cpu,cpuacct:/docker/c1\n", 0.5),
        (v1("memory/docker/c1", "25000"), "3:memory:/docker/c1\n", None),
    ],
)
def test_a_version_1_quota_is_found_in_the_cpu_hierarchy_only(files, contents, own, expected):
    assert files(contents, own) == expected


def test_at_least_one_core_is_allowed_and_never_more_than_the_machine_has():
    facts = machine_facts()
    assert 1 <= allowed_cores() == facts.cores_allowed <= facts.cores


@pytest.mark.parametrize(
    ("cpu", "gpus", "name"),
    [
        ("Intel(R) Xeon(R) Processor", (), "intel-r-xeon-r-processor-2c"),
        ("AMD EPYC", ("NVIDIA H100 80GB HBM3",) * 2, "amd-epyc-2c-nvidia-h100-80gb-hbm3-nvidia-h100-80gb-hbm3"),
        ("处理器", (), "unknown-cpu-2c"),
    ],
)
def test_the_machines_name_is_safe_in_a_file_name_and_tells_gpus_apart(cpu, gpus, name):
    assert dataclasses.replace(machine_facts(), cpu=cpu, gpus=gpus, cores_allowed=2).name == name
