"""What the caller's own code raises comes out as it is, and the classifier answers right afterwards."""

import asyncio
import io
import threading

import pytest

from mtl_runtime.bulk.predict_file import predict_file
from mtl_runtime.errors import InvalidTextError, MtlError

TEXTS = ["the soup was great", "bad bank"]
RAISED = [ValueError("own"), OSError(5, "own"), KeyError("own"), InvalidTextError(7, "own"), MtlError("own")]
STOPPED = [KeyboardInterrupt(), SystemExit(3)]


def kind(error):
    return type(error).__name__


def ending_with(error, texts=TEXTS):
    yield from texts
    raise error


def assert_usable(classifier, answers):
    """All workers are free again: as many callers as there are workers, and one more, get their answers."""
    results = []
    callers = [
        threading.Thread(
            target=lambda: results.append([prediction.to_dict() for prediction in classifier(TEXTS)]), daemon=True
        )
        for _ in range(classifier.settings.execution.workers + 1)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=60)
    assert results == [[prediction.to_dict() for prediction in answers]] * len(callers)


@pytest.mark.parametrize("error", RAISED + STOPPED, ids=kind)
@pytest.mark.parametrize("method", ["__call__", "stream", "embed", "logits", "tokenize"])
def test_an_exception_of_the_callers_iterator_passes_unchanged(classifier, method, error):
    answers = classifier(TEXTS)
    with pytest.raises(type(error)) as caught:
        list(getattr(classifier, method)(ending_with(error, TEXTS * 3)))
    assert caught.value is error
    assert error.__cause__ is None
    assert_usable(classifier, answers)


def test_predictions_before_the_exception_are_given(classifier):
    stream = classifier.stream(ending_with(ValueError("own"), TEXTS * 4), chunk_size=2)
    given = [next(stream).to_dict() for _ in range(8)]
    assert given == [prediction.to_dict() for prediction in classifier(TEXTS * 4)]
    with pytest.raises(ValueError, match="own"):
        next(stream)


def test_an_exception_of_the_callers_iterator_passes_an_asynchronous_call(classifier):
    error = ValueError("own")

    async def ask():
        await classifier.acall(ending_with(error))

    answers = classifier(TEXTS)
    with pytest.raises(ValueError, match="own") as caught:
        asyncio.run(ask())
    assert caught.value is error
    assert_usable(classifier, answers)


class Odd(str):
    """A text whose methods all fail."""

    __slots__ = ()

    def _fail(self, *_arguments, **_options):
        raise RuntimeError("nobody may ask this text anything")

    __len__ = __eq__ = __hash__ = __iter__ = __str__ = __repr__ = __getitem__ = __contains__ = _fail
    encode = strip = split = lower = isascii = _fail


def test_a_subclass_of_str_is_read_by_its_characters_whatever_its_methods_do(classifier):
    odd = [Odd(text) for text in TEXTS]
    answers = [prediction.to_dict() for prediction in classifier(TEXTS)]
    assert [prediction.to_dict() for prediction in classifier(odd)] == answers
    assert [prediction.to_dict() for prediction in classifier.stream(odd)] == answers
    assert classifier(odd[0]).to_dict() == classifier(TEXTS[0]).to_dict()
    assert_usable(classifier, classifier(TEXTS))


class FailingStream(io.RawIOBase):
    """A file whose reader or writer is the caller's own, and fails."""

    def __init__(self, error):
        self.error = error

    def readable(self):
        return True

    def writable(self):
        return True

    def readinto(self, _buffer):
        raise self.error

    def write(self, _data):
        raise self.error


@pytest.mark.parametrize(
    "error", [OSError(5, "own"), ValueError("own"), KeyboardInterrupt()], ids=lambda e: type(e).__name__
)
def test_an_error_of_the_callers_streams_or_progress_is_not_taken_for_one_of_the_output(classifier, tmp_path, error):
    def fail(_rows, _share):
        raise error

    sources = {
        "input": lambda: predict_file(classifier, io.BufferedReader(FailingStream(error)), tmp_path / "out.csv"),
        "output": lambda: predict_file(classifier, io.BytesIO(b"good\n"), FailingStream(error)),
        "progress": lambda: predict_file(classifier, io.BytesIO(b"good\n"), tmp_path / "out.csv", progress=fail),
    }
    for name, job in sources.items():
        with pytest.raises(type(error)) as caught:
            job()
        assert caught.value is error, name
    assert list(tmp_path.iterdir()) == []
