"""POST /classify -> predictions, with Flask: one classifier for all threads of the process.

MTL_BUNDLE=bundle WEB_CONCURRENCY=2 gunicorn --threads 8 'flask_app:create_app()'
"""

import os
from typing import Any

from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException

from mtl_runtime import load
from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.errors import InvalidTextError, UnknownTaskError

MAX_TEXTS = 256  # in one request
PROCESSES = int(os.environ.get("WEB_CONCURRENCY", "1"))  # gunicorn reads it too


def create_app() -> Flask:
    """Load the bundle and build the app; called in each worker process, after the fork."""
    classifier = load(os.environ["MTL_BUNDLE"], threads=max(1, allowed_cores() // PROCESSES))
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 2**20  # bytes of one request
    app.json.sort_keys = False  # labels stay in the model's order

    @app.post("/classify")
    def classify() -> dict[str, Any]:
        body = request.get_json()
        texts, tasks = (body.get("texts"), body.get("tasks")) if isinstance(body, dict) else (None, None)
        if not isinstance(texts, list) or len(texts) > MAX_TEXTS:
            abort(422, f"texts must be a list of at most {MAX_TEXTS} strings")
        if tasks is not None and not (isinstance(tasks, list) and all(isinstance(task, str) for task in tasks)):
            abort(422, "tasks must be a list of names; leave it out to have all")
        return {"predictions": [prediction.to_dict() for prediction in classifier(texts, tasks=tasks)]}

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        info = classifier.info
        return {
            "variant": info.variant,
            "fallback": info.fallback,  # why a faster variant does not run; null: none could
            "threads": info.cores,
            "tasks": classifier.tasks,
        }

    @app.errorhandler(InvalidTextError)
    def invalid_text(error: InvalidTextError) -> tuple[dict[str, Any], int]:
        return {"error": str(error), "index": error.index, "problem": error.problem}, 422

    @app.errorhandler(UnknownTaskError)
    def unknown_task(error: UnknownTaskError) -> tuple[dict[str, Any], int]:
        return {"error": str(error), "tasks": error.known}, 422

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> tuple[dict[str, Any], int]:
        return {"error": error.description}, error.code or 500

    return app
