"""kit -> PyTorch, eager or compiled: one model for all tasks, or a model per task as most are served."""

from typing import Any

from carried import Kit, batched, cores, system, versions

from mtl_bench.worker.system import SystemDriver


def open(*, kit: str, models: str, precision: str, order: str, compiled: bool = False) -> SystemDriver:
    """PyTorch on all allowed cores.

    Args:
        kit: what kit.py wrote.
        models: ``one`` for all tasks, or ``per task``.
        precision: of weights and computation, a name of torch's such as ``bfloat16``.
        order: of texts in batches: ``as they come`` or ``by length``.
        compiled: with Inductor's freezing, one kernel for all shapes.
    """
    import torch
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(cores())
    read = Kit.read(kit)
    given = {"trust_remote_code": True, "dtype": getattr(torch, precision)}
    if models == "one":
        tokenizer = AutoTokenizer.from_pretrained(read.folder / "multi-task")
        opened = {"": AutoModel.from_pretrained(read.folder / "multi-task", **given).eval()}
    else:
        tokenizer = AutoTokenizer.from_pretrained(read.of_task(read.tasks[0]))
        opened = {
            task.name: AutoModelForSequenceClassification.from_pretrained(read.of_task(task), **given).eval()
            for task in read.tasks
        }
    if compiled:
        from torch._inductor import config

        config.freezing = True
        opened = {name: torch.compile(model, dynamic=True) for name, model in opened.items()}

    def run(texts: list[str]) -> dict[str, Any]:
        inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        with torch.no_grad():  # freezing is not done in inference mode
            if models == "one":
                logits = opened[""](**inputs)
            else:
                logits = {name: model(**inputs).logits for name, model in opened.items()}
        return {name: rows.float().numpy() for name, rows in logits.items()}

    facts = {"threads": str(torch.get_num_threads()), "order": order, **versions("torch", "transformers")}
    return system(batched(read, run, by_length=order == "by length"), facts, warm_up=4 if compiled else 1)
