"""Figures of nvidia-smi, read from a stand-in that prints what the real one prints."""

import stat

import pytest

from mtl_bench.processes.gpu import gpu_clock, memory_by_process


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """``nvidia_smi(answer, code)`` puts such a program on the PATH, alone."""

    def put(answer, code=0):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\nprintf '{answer}'\nexit {code}\n", "utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    monkeypatch.setenv("PATH", str(tmp_path))
    return put


def test_memory_is_read_by_process_and_what_the_driver_does_not_know_is_left_out(nvidia_smi):
    nvidia_smi("4711, 512\\n4712, [N/A]\\n")
    assert memory_by_process() == {4711: 512 * 2**20}


def test_the_clock_is_read_with_the_highest_and_with_what_slows_it(nvidia_smi):
    nvidia_smi("1410, 1980, 0x0000000000000004\\n")
    assert gpu_clock() == "1410 of 1980 MHz, event reasons 0x0000000000000004"


@pytest.mark.parametrize(("answer", "code"), [("", 0), ("Field is not a valid field\\n", 2), ("one cell\\n", 0)])
def test_a_driver_with_another_output_gives_no_figures(nvidia_smi, answer, code):
    nvidia_smi(answer, code)
    assert gpu_clock() is None
    if code or not answer:
        assert memory_by_process() == {}


def test_without_the_program_there_are_no_figures(nvidia_smi):
    assert memory_by_process() == {}
    assert gpu_clock() is None
