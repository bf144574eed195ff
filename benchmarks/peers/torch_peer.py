"""kit -> PyTorch, eager or compiled: one model for all tasks, or a model per task as in most services."""

from typing import Any

from driver_kit import GPU_SIZES, SIZES, Kit, answer_in_batches, cores, make_system, versions

from mtl_bench.worker.system import SystemDriver


def open(
    *, kit: str, models: str, precision: str, order: str, compiled: bool = False, device: str = "cpu"
) -> SystemDriver:
    """PyTorch on all allowed cores, or on a GPU.

    Args:
        kit: folder that kit.py wrote.
        models: ``one`` for all tasks, or ``per task``.
        precision: of weights and computation, a name of torch's such as ``bfloat16``.
        order: of texts in batches: ``arrival`` or ``by length``.
        compiled: with Inductor's freezing, one kernel for all shapes.
        device: torch's name of it; on ``cuda`` a call ends when the logits are back in host memory.
    """
    import torch
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(cores())
    read = Kit.read(kit)
    arguments = {"trust_remote_code": True, "dtype": getattr(torch, precision)}
    if models == "one":
        tokenizer = AutoTokenizer.from_pretrained(read.folder / "multi-task")
        models_by_task = {"": AutoModel.from_pretrained(read.folder / "multi-task", **arguments).eval()}
    else:
        tokenizer = AutoTokenizer.from_pretrained(read.task_folder(read.tasks[0]))
        models_by_task = {
            task.name: AutoModelForSequenceClassification.from_pretrained(read.task_folder(task), **arguments).eval()
            for task in read.tasks
        }
    models_by_task = {name: model.to(device) for name, model in models_by_task.items()}
    if compiled:
        from torch._inductor import config

        config.freezing = True
        models_by_task = {name: torch.compile(model, dynamic=True) for name, model in models_by_task.items()}

    def run(texts: list[str]) -> dict[str, Any]:
        inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt").to(device)
        with torch.no_grad():  # freezing does nothing in inference mode
            if models == "one":
                logits = models_by_task[""](**inputs)
            else:
                logits = {name: model(**inputs).logits for name, model in models_by_task.items()}
        return {name: rows.float().cpu().numpy() for name, rows in logits.items()}

    facts = {"threads": str(torch.get_num_threads()), "order": order, **versions("torch", "transformers")}
    return make_system(
        answer_in_batches(read, run, by_length=order == "by length"),
        facts,
        sizes=SIZES if device == "cpu" else GPU_SIZES,
        warm_up=4 if compiled else 1,
    )
