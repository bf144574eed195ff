"""The four configs of this folder in Python: build each model, take one training step, and print its outputs.

python examples/classic/library.py build/demo/encoder
"""

import sys

import torch
from torch.nn.functional import cross_entropy

from mtl_export import HeadSpec, MultiTaskModel, TaskSpec

SENTIMENT = TaskSpec(name="sentiment", kind="single_label", labels=("negative", "neutral", "positive"))
TOPIC = TaskSpec(name="topic", kind="single_label", labels=("film", "news", "product"))
REVIEW = TaskSpec(name="review", kind="single_label", labels=("no", "yes"))
TEXTS = ["The plot is thin, but the actors are a joy.", "Prices rose again in March."]


def main(encoder: str) -> None:
    """Build each model and take one training step with it."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(42)

    # (a) BERT, its pooler output, dropout 0.1, one linear head per task
    linear = HeadSpec(kind="linear", dropout=0.1)
    a = MultiTaskModel.from_encoder(encoder, [SENTIMENT, TOPIC], heads=linear, pooling="pooler").to(device)
    step(a, weights={})

    # (b) the same, with class weights on one task
    step(a, weights={"sentiment": torch.tensor([0.2, 0.7, 0.1], device=device)})

    # (c) the same, with a LayerNorm of its own before each head
    layernorm = HeadSpec(kind="layernorm", dropout=0.1)
    c = MultiTaskModel.from_encoder(encoder, [SENTIMENT, TOPIC], heads=layernorm, pooling="pooler").to(device)
    step(c, weights={})

    # (d) sentence embeddings, two two-layer MLP heads; embeddings and both logits come back
    mlp = HeadSpec(kind="mlp", dropout=0.0)
    d = MultiTaskModel.from_encoder(encoder, [SENTIMENT, REVIEW], heads=mlp, pooling="mean").to(device)
    step(d, weights={})


def step(model: MultiTaskModel, weights: dict[str, torch.Tensor]) -> None:
    """Take one step of AdamW on the summed losses of all tasks, and print loss, shapes and predictions."""
    device = next(model.parameters()).device
    batch = {name: tensor.to(device) for name, tensor in model.tensors(model.tokenize(TEXTS)).items()}
    targets = torch.tensor([0, 1], device=device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5)
    output = model.train()(**batch)
    loss = sum(cross_entropy(logits, targets, weight=weights.get(task)) for task, logits in output.logits.items())
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    optimizer.step()
    shapes = {task: tuple(logits.shape) for task, logits in output.logits.items()}
    print(f"loss {loss.item():.3f}; logits {shapes}; embeddings {tuple(output.sentence_embedding.shape)}")
    print([prediction["sentiment"].label for prediction in model.eval().predict(TEXTS)])


if __name__ == "__main__":
    main(sys.argv[1])
