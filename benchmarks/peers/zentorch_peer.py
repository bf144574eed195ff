"""kit -> one multi-task PyTorch model, compiled by AMD's plugin for PyTorch."""

from typing import Any

from driver_kit import Kit, answer_in_batches, cores, make_system, versions

from mtl_bench.worker.system import SystemDriver


def open(*, kit: str, precision: str) -> SystemDriver:
    """All allowed cores, batches sorted by length, weights frozen as its user guide advises.

    Args:
        kit: folder that kit.py wrote.
        precision: of weights and computation, a name of torch's such as ``bfloat16``.
    """
    import torch
    import zentorch  # noqa: F401 - registers the backend
    from torch._inductor import config
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(cores())
    read = Kit.read(kit)
    folder = read.folder / "multi-task"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, trust_remote_code=True, dtype=getattr(torch, precision)).eval()
    config.freezing = True
    compiled = torch.compile(model, backend="zentorch", dynamic=True)

    def run(texts: list[str]) -> dict[str, Any]:
        inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        with torch.no_grad():
            logits = compiled(**inputs)
        return {name: rows.float().numpy() for name, rows in logits.items()}

    facts = {"threads": str(torch.get_num_threads()), **versions("zentorch", "torch", "transformers")}
    return make_system(answer_in_batches(read, run, by_length=True), facts, warm_up=4)
