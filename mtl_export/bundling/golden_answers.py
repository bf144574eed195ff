"""built variants -> the golden answers of those that were verified, as files of the bundle."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from mtl_export.gate.variant_builder import BuiltVariant
from mtl_runtime.bundle.golden import GoldenAnswers, golden_answers_name, render_golden_answers

__all__ = ["write_golden_answers"]


def write_golden_answers(
    folder: Path, built: Mapping[str, BuiltVariant], lines: tuple[int, ...]
) -> dict[str, BuiltVariant]:
    """Write each variant's golden answers, and name the file in its spec.

    A variant that was not measured on its own provider has no answers that another machine could be compared with.

    Args:
        folder: of the bundle.
        built: its variants.
        lines: of golden.jsonl, counted from 1, that they answered.
    """
    with_answers = dict(built)
    for name, variant in built.items():
        if variant.golden_logits is None:
            continue
        logits = {task: tuple(map(tuple, rows.tolist())) for task, rows in variant.golden_logits.items()}
        file = golden_answers_name(name)
        (folder / file).write_bytes(render_golden_answers(GoldenAnswers(lines=lines, logits=logits)))
        with_answers[name] = dataclasses.replace(variant, spec=dataclasses.replace(variant.spec, golden_answers=file))
    return with_answers
