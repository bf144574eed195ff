"""built variants + golden texts -> the golden answers of those that were verified, as files of the bundle."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from mtl_export.bundling.golden_texts import self_test_lines
from mtl_export.gate.graph_sessions import GraphSessions
from mtl_export.gate.variant_builder import BuiltVariant
from mtl_runtime.bundle.golden import GoldenAnswers, GoldenText, golden_answers_name, render_golden_answers
from mtl_runtime.bundle.manifest import TaskSpec

__all__ = ["write_golden_answers"]

_log = logging.getLogger(__name__)


def write_golden_answers(
    folder: Path,
    sessions: GraphSessions,
    built: Mapping[str, BuiltVariant],
    tasks: tuple[TaskSpec, ...],
    golden: Sequence[GoldenText],
    *,
    max_length: int,
) -> dict[str, BuiltVariant]:
    """Let each verified variant answer some of the golden texts, and name the file in its spec.

    A variant that was not measured on its own provider has no answers that another machine could be compared with.

    Args:
        folder: of the bundle; the graphs are there.
        sessions: of these graphs.
        built: the variants of the bundle.
        tasks: in the order of the graphs' outputs; logits depend on neither temperature nor threshold.
        golden: all golden texts, edge cases first.
        max_length: tokens that the encoder reads.
    """
    lines = self_test_lines(golden, max_length=max_length)
    texts = [golden[line - 1].text for line in lines]
    with_answers = dict(built)
    for name, variant in built.items():
        if variant.evidence.status != "verified":
            continue
        _log.info("%s: answering %d golden texts", name, len(texts))
        logits = sessions.classifier(name, variant.spec, tasks).logits(texts)
        answers = GoldenAnswers(
            lines=lines, logits={task: tuple(map(tuple, rows.tolist())) for task, rows in logits.items()}
        )
        file = golden_answers_name(name)
        (folder / file).write_bytes(render_golden_answers(answers))
        with_answers[name] = dataclasses.replace(variant, spec=dataclasses.replace(variant.spec, golden_answers=file))
    return with_answers
