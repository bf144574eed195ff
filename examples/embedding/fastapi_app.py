"""POST /classify -> predictions, with FastAPI: the event loop awaits each request and computes nothing itself.

MTL_BUNDLE=bundle WEB_CONCURRENCY=2 uvicorn fastapi_app:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, SkipValidation

from mtl_runtime import Classifier, load
from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.errors import InvalidTextError, UnknownTaskError

MAX_TEXTS = 256  # in one request
PROCESSES = int(os.environ.get("WEB_CONCURRENCY", "1"))  # uvicorn reads it too


class Question(BaseModel):
    """The body of a request."""

    # The classifier validates the texts; its error has the index of the text that it refuses.
    texts: Annotated[list[SkipValidation[str]], Field(max_length=MAX_TEXTS)]
    tasks: list[str] | None = None


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Classifier]]:
    """Load the bundle before the first request, in each worker process."""
    yield {"classifier": load(os.environ["MTL_BUNDLE"], threads=max(1, allowed_cores() // PROCESSES))}


app = FastAPI(lifespan=lifespan)


@app.post("/classify")
async def classify(question: Question, request: Request) -> dict[str, Any]:
    """Answer the tasks for each text."""
    predictions = await request.state.classifier.acall(question.texts, tasks=question.tasks)
    return {"predictions": [prediction.to_dict() for prediction in predictions]}


@app.get("/healthz")
async def healthz(request: Request) -> dict[str, Any]:
    """The variant that runs, why a faster one does not, threads and tasks."""
    classifier = request.state.classifier
    info = classifier.info
    return {
        "variant": info.variant,
        "fallback": info.fallback,  # why a faster variant does not run; null: none could
        "threads": info.cores,
        "tasks": classifier.tasks,
    }


@app.exception_handler(InvalidTextError)
async def invalid_text(_request: Request, error: InvalidTextError) -> JSONResponse:
    """Report which text is refused, and why."""
    return JSONResponse({"error": str(error), "index": error.index, "problem": error.problem}, 422)


@app.exception_handler(UnknownTaskError)
async def unknown_task(_request: Request, error: UnknownTaskError) -> JSONResponse:
    """Report the tasks that exist."""
    return JSONResponse({"error": str(error), "tasks": error.known}, 422)


@app.exception_handler(RequestValidationError)
async def invalid_request(_request: Request, error: RequestValidationError) -> JSONResponse:
    """Report the problems alone: FastAPI's own handler would return the whole input."""
    problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
    return JSONResponse({"error": "; ".join(problems)}, 422)
