"""POST /v1/predict/stream: lines of JSON in, a line of JSON out for each, in order, for any number of texts."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mtl_runtime.errors import InvalidTextError, MtlError, NonFiniteError
from mtl_runtime.server.failures import BadRequestError, ClientGoneError, OverloadedError
from mtl_runtime.server.http.call import Call, decode_json
from mtl_runtime.server.problems import Problem
from mtl_runtime.server.protocols.predict_bodies import problem_details, text_answers
from mtl_runtime.server.protocols.predict_types import ProblemDetails, TextAnswer
from mtl_runtime.server.served_model import ServedModel

__all__ = ["LINES_MEDIA_TYPE", "LINES_QUERY", "LineAnswer", "LineProblem", "predict_lines"]

LINES_MEDIA_TYPE = "application/x-ndjson"
LINES_QUERY = {
    "model": "Bundle that answers; default: the first.",
    "tasks": "Tasks, separated by commas; default: all.",
    "embed": "`true`: give embeddings too.",
}

# Lines that go to the scheduler together, and groups of them under way: enough to keep a worker busy, and few enough
# that a stream takes little of the queue from others.
_GROUP_LINES = 64
_GROUPS = 2
_WAIT_SECONDS = 0.1  # before a group that found no room tries again
# A byte of a text takes at most six characters of JSON (an escaped control character).
_ESCAPED = 6
_AROUND = 1024  # bytes of a line that are not the text


class _Line(msgspec.Struct):
    text: str


class LineAnswer(TextAnswer, kw_only=True):
    """One line of the answer: what a text of POST /v1/predict gets, and the number of its line."""

    line: int  # from 1 on


class LineProblem(msgspec.Struct):
    """One line of the answer where the line of the request cannot be answered; the stream goes on."""

    line: int
    error: ProblemDetails


_TEXT = msgspec.json.Decoder(str | _Line)
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked about every line."""

    model: ServedModel
    tasks: Sequence[str] | None
    embed: bool


async def predict_lines(call: Call) -> Response:
    """Answer each line of the body, a JSON string or an object with `text`, with a line of JSON.

    In the URL stand `model`, `tasks` (separated by commas) and `embed=true`. The answers begin before the body has
    ended. A line that cannot be answered gets a line with `error`.
    """
    model = call.service.models.get(call.query("model"))
    tasks = None if (names := call.query("tasks")) is None else names.split(",")
    question = _Question(model, tasks, call.query("embed") in ("true", "1"))
    model.classifier.task_specs(tasks)
    return _LinesResponse(_answer_lines(call, call.stream(), question))


class _LinesResponse(Response):
    """Sends lines while the body of the request still comes: starlette's own would read that body to see it end."""

    media_type = LINES_MEDIA_TYPE

    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        self.status_code, self.background, self.body = 200, None, b""
        self.init_headers()
        del self.headers["content-length"]
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - of ASGI
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for lines in self._lines:
                await send({"type": "http.response.body", "body": lines, "more_body": True})
        except ClientGoneError:
            return
        except MtlError as error:  # of the body as a whole: the stream ends with it
            last = _ENCODER.encode({"error": problem_details(Problem.of(error))}) + b"\n"
            await send({"type": "http.response.body", "body": last, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _answer_lines(call: Call, chunks: AsyncIterator[bytes], question: _Question) -> AsyncIterator[bytes]:
    """Answers in the order of the lines, each as soon as it and those before it are there."""
    answers: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(_GROUPS)

    async def read() -> None:
        try:
            async for first, group in _groups(chunks, call.service.limits.max_text_bytes):
                await answers.put(asyncio.create_task(_answer_group(call, question, first, group)))
        finally:
            await answers.put(None)

    reader = asyncio.create_task(read())
    try:
        while (answer := await answers.get()) is not None:
            yield await answer
        await reader
    finally:
        reader.cancel()
        while not answers.empty():
            if (left := answers.get_nowait()) is not None:
                left.cancel()


async def _groups(chunks: AsyncIterator[bytes], max_text_bytes: int) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Lines of the body, some at a time, with the number of the first; what has come is not kept waiting."""
    limit = _ESCAPED * max_text_bytes + _AROUND
    rest, number = bytearray(), 1
    async for chunk in chunks:
        whole, newline, end = chunk.rpartition(b"\n")
        lines = bytes(rest + whole).split(b"\n") if newline else []
        if newline:
            rest.clear()
        rest += end
        if len(rest) > limit:
            raise BadRequestError(f"line {number + len(lines)} has more than {limit} bytes")
        for start in range(0, len(lines), _GROUP_LINES):
            yield number + start, lines[start : start + _GROUP_LINES]
        number += len(lines)
    if rest.strip():
        yield number, [bytes(rest)]


async def _answer_group(call: Call, question: _Question, first: int, lines: Sequence[bytes]) -> bytes:
    answers: dict[int, LineAnswer | LineProblem] = {}
    texts: dict[int, str] = {}
    for number, line in enumerate(lines, first):
        if line.strip():
            try:
                texts[number] = _read_text(line)
            except BadRequestError as error:
                answers[number] = _problem(number, error)
    while texts:
        numbers = list(texts)
        try:
            result = await _predict_patiently(call, question, list(texts.values()))
        except (InvalidTextError, NonFiniteError) as error:  # of one text; the others are asked again without it
            number = numbers[error.index]
            answers[number] = _problem(number, error)
            del texts[number]
        except MtlError as error:
            answers |= {number: _problem(number, error) for number in numbers}
            break
        else:
            answers |= {n: _line_answer(n, answer) for n, answer in zip(numbers, result, strict=True)}
            break
    return b"".join(_ENCODER.encode(answers[number]) + b"\n" for number in sorted(answers))


async def _predict_patiently(call: Call, question: _Question, texts: Sequence[str]) -> list[TextAnswer]:
    """Answers to some texts; a stream waits where a single request would be told to come again.

    Raises:
        OverloadedError: there was no room for as long as a request may take.
    """
    give_up = time.monotonic() + call.service.limits.request_seconds
    while True:
        try:
            result = await call.service.predict(
                question.model, texts, tasks=question.tasks, embed=question.embed, timeout=call.timeout
            )
        except OverloadedError:
            if time.monotonic() >= give_up:
                raise
            await asyncio.sleep(_WAIT_SECONDS)
        else:
            return text_answers(result, question.model)


def _read_text(line: bytes) -> str:
    value: Any = decode_json(_TEXT, line)
    return value.text if isinstance(value, _Line) else value


def _line_answer(number: int, answer: TextAnswer) -> LineAnswer:
    return LineAnswer(line=number, **{name: getattr(answer, name) for name in answer.__struct_fields__})


def _problem(number: int, error: Exception) -> LineProblem:
    return LineProblem(number, problem_details(Problem.of(error)))
