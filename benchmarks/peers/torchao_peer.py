"""kit -> one multi-task PyTorch model, compiled, its linear layers in torchao's dynamic int8."""

from typing import Any

from driver_kit import Kit, answer_in_batches, cores, make_system, versions

from mtl_bench.worker.system import SystemDriver


def open(*, kit: str, precision: str) -> SystemDriver:
    """All allowed cores, batches sorted by length; scales by token, by column of the weights.

    Args:
        kit: folder that kit.py wrote.
        precision: of what is not int8, a name of torch's such as ``bfloat16``.
    """
    import torch
    from torch._inductor import config
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_
    from torchao.utils import should_reduce_range
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(cores())
    read = Kit.read(kit)
    folder = read.folder / "multi-task"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, trust_remote_code=True, dtype=getattr(torch, precision)).eval()
    quantize_(model, Int8DynamicActivationInt8WeightConfig(reduce_range=should_reduce_range(torch.device("cpu"))))
    config.freezing = True
    compiled = torch.compile(model, dynamic=True)

    def run(texts: list[str]) -> dict[str, Any]:
        inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        with torch.no_grad():  # freezing does nothing in inference mode
            logits = compiled(**inputs)
        return {name: rows.float().numpy() for name, rows in logits.items()}

    facts = {"threads": str(torch.get_num_threads()), **versions("torchao", "torch", "transformers")}
    return make_system(answer_in_batches(read, run, by_length=True), facts, warm_up=4)
