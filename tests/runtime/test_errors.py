"""Errors travel between processes as they are."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from mtl_runtime import errors, load
from mtl_runtime.errors import (
    BundleError,
    EncodingError,
    IntegrityError,
    InvalidTextError,
    MissingColumnError,
    MissingPackageError,
    NonFiniteError,
    ProviderError,
    RecordError,
    TableError,
    TokenizerError,
    UnknownLabelError,
    UnknownTaskError,
    UnknownVariantError,
)

ERRORS = [
    MissingPackageError("no onnxruntime"),
    RecordError("tasks.0", "is no task"),
    TableError(Path("a.csv"), "is empty", line=3, column="text"),
    MissingColumnError(Path("a.csv"), "text", ["id", "Text"]),
    EncodingError(Path("a.csv"), "is no UTF-8"),
    InvalidTextError(7, "is no str"),
    UnknownTaskError("a", ["b", "c"]),
    UnknownLabelError("a", "topic", ["b"]),
    UnknownVariantError("gpu", ["cpu-fp32"]),
    ProviderError("no GPU"),
    BundleError("no bundle"),
    TokenizerError("has an empty vocabulary"),
    IntegrityError("model.onnx", "is missing"),
    NonFiniteError(3, "logits.a"),
]


def sent_back(error):
    return error


@pytest.fixture(scope="module")
def other_process():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_keeps_its_type_message_and_facts_on_its_way_to_another_process_and_back(other_process, error):
    returned = other_process.submit(sent_back, error).result(timeout=60)
    assert type(returned) is type(error)
    assert str(returned) == str(error)
    assert vars(returned) == vars(error)


def test_each_error_with_facts_of_its_own_is_among_them():
    own = {name for name in errors.__all__ if "__init__" in vars(getattr(errors, name))}
    assert own <= {type(error).__name__ for error in ERRORS}


def test_the_process_that_loads_a_bundle_reports_what_is_wrong_with_it(other_process, bundle_copy):
    (bundle_copy / "model.onnx").unlink()
    with pytest.raises(IntegrityError, match=r"model\.onnx: is missing"):
        other_process.submit(load, bundle_copy).result(timeout=60)
