"""kit and port -> LitServe with dynamic batches, a PyTorch model for each task.

python litserve_server.py KIT PORT
"""

import json
import sys
from pathlib import Path
from typing import Any

import litserve
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

_MAX_LENGTH = 128


class Classify(litserve.LitAPI):
    """All tasks of a sentence; LitServe collects the sentences of a batch."""

    def __init__(self, kit: Path, **settings: Any) -> None:
        super().__init__(**settings)
        self._kit = kit

    def setup(self, device: str) -> None:
        """Load the models, in the worker's process."""
        torch.set_num_threads(1)
        facts = json.loads((self._kit / "kit.json").read_text("utf-8"))
        folders = {task["name"]: self._kit / "sequence-classification" / task["name"] for task in facts["tasks"]}
        self._tokenizer = AutoTokenizer.from_pretrained(next(iter(folders.values())))
        self._models = {
            task: AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True).to(device).eval()
            for task, folder in folders.items()
        }

    def decode_request(self, request: dict[str, str]) -> str:
        """The sentence."""
        return request["text"]

    def predict(self, texts: list[str]) -> list[dict[str, str]]:
        """A label of each task for each sentence."""
        encoded = self._tokenizer(texts, padding=True, truncation=True, max_length=_MAX_LENGTH, return_tensors="pt")
        with torch.inference_mode():
            chosen = {task: model(**encoded).logits.argmax(-1).tolist() for task, model in self._models.items()}
        names = {task: model.config.id2label for task, model in self._models.items()}
        return [{task: names[task][rows[row]] for task, rows in chosen.items()} for row in range(len(texts))]

    def encode_response(self, output: dict[str, str]) -> dict[str, str]:
        """As it is."""
        return output


if __name__ == "__main__":
    api = Classify(Path(sys.argv[1]), max_batch_size=64, batch_timeout=0.01)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=60)
    server.run(port=int(sys.argv[2]), host="127.0.0.1", log_level="warning", generate_client_file=False)
