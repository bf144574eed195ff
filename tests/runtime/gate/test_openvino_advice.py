"""Whether OpenVINO would be faster here is measured where it runs, and left unsaid elsewhere."""

import dataclasses
import time

import pytest
from click.testing import CliRunner

from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.cli.app import main
from mtl_runtime.errors import ProviderError
from mtl_runtime.gate import openvino_advice
from mtl_runtime.gate.openvino_advice import advise_openvino


def slowed(classifier, seconds):
    """The classifier with batches that take so much longer."""

    def run(batch, outputs):
        time.sleep(seconds)
        return classifier.run_batch(batch, outputs)

    return dataclasses.replace(classifier, run_batch=run)


@pytest.fixture
def openvino(monkeypatch):
    """``openvino(ours, theirs)``: OpenVINO runs here, and batches take so many seconds longer on each side."""

    def install(ours, theirs):
        monkeypatch.setattr(openvino_advice, "provider_problem", lambda _: None)
        monkeypatch.setattr(openvino_advice, "load", lambda path: slowed(load(path), ours))
        monkeypatch.setattr(openvino_advice, "_open", lambda bundle: slowed(load(bundle.path), theirs))

    return install


def test_where_openvino_is_faster_it_is_said_by_how_much_and_how_to_have_it(measured_bundle, openvino):
    openvino(ours=0.02, theirs=0.0)
    advice = advise_openvino(Bundle.open(measured_bundle))
    assert "times as many texts a second here as cpu-fp32, which runs" in advice
    assert "mtl export --variants auto,openvino-fp32" in advice
    shown = CliRunner().invoke(main, ["doctor", str(measured_bundle)], env={"COLUMNS": "500"})
    assert shown.exit_code == 0
    assert "times as many texts a second here as cpu-fp32" in shown.output


def test_where_it_is_no_faster_nothing_is_said(measured_bundle, openvino):
    openvino(ours=0.0, theirs=0.02)
    assert advise_openvino(Bundle.open(measured_bundle)) is None


def test_where_it_cannot_run_or_be_opened_nothing_is_said(measured_bundle, monkeypatch):
    bundle = Bundle.open(measured_bundle)
    monkeypatch.setattr(openvino_advice, "provider_problem", lambda _: "no wheel")
    assert advise_openvino(bundle) is None

    def broken(_bundle):
        raise ProviderError("OpenVINO cannot compile it")

    monkeypatch.setattr(openvino_advice, "provider_problem", lambda _: None)
    monkeypatch.setattr(openvino_advice, "_open", broken)
    assert advise_openvino(bundle) is None
