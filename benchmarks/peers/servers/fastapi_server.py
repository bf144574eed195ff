"""kit and port -> FastAPI with transformers' pipelines, one for each task: what most people write first.

python fastapi_server.py KIT PORT
"""

import json
import sys
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline


class Question(BaseModel):
    """Body of a request."""

    text: str


def make_app(kit: Path) -> FastAPI:
    """The application; a plain function answers, so that FastAPI runs it in a thread of its own."""
    torch.set_num_threads(1)
    tasks = [task["name"] for task in json.loads((kit / "kit.json").read_text("utf-8"))["tasks"]]
    pipelines = {
        task: pipeline(
            "text-classification",
            model=str(kit / "sequence-classification" / task),
            trust_remote_code=True,
            truncation=True,
        )
        for task in tasks
    }
    app = FastAPI()

    @app.post("/predict")
    def predict(question: Question) -> dict[str, dict[str, object]]:
        return {task: answer(question.text)[0] for task, answer in pipelines.items()}

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(Path(sys.argv[1])), port=int(sys.argv[2]), log_level="warning", access_log=False)
