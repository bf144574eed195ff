"""What whoever reads the result of a compression should know of it, as sentences of its record."""

import logging
from collections.abc import Mapping, Sequence

from mtl_export.bundling.export_bundle import Exported
from mtl_export.compression.candidates import Level, speed_limit
from mtl_export.compression.pruning.student_shape import TeacherSize
from mtl_export.compression.transfer_set import TransferSet
from mtl_runtime.bundle.gate_config import GateConfig, limits_for, precision_of
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.gate.teacher_comparison import fewest_sentences
from mtl_runtime.report.number_format import plural

__all__ = ["note_few_rows", "note_few_sentences", "note_left_out", "note_no_candidates", "note_speed_limit"]

_log = logging.getLogger(__name__)

_FEW_ROWS = 1000  # that a student learns from; docs/compress.md says thousands


def note_few_sentences(transfer_set: TransferSet, gate: GateConfig) -> tuple[str, ...]:
    """A note for each task whose validation rows cannot make any student certain to hold its budget."""
    specs, rows = transfer_set.rows.specs, transfer_set.data.validation.rows
    decided = sum(spec.kind != "regression" for spec in specs)
    notes = []
    for spec in specs:
        budget = limits_for(gate, spec.name, precision_of(DEFAULT_VARIANT)).max_metric_drop
        labelled = sum(row.labels.get(spec.name) is not None for row in rows)
        # Without labels the teacher's answers to all sentences are compared, and a correlation proves nothing.
        needed = fewest_sentences(budget, decided, kind=spec.kind) if labelled or spec.kind != "regression" else None
        if needed is None or (labelled or len(rows)) < needed:
            count = labelled or len(rows)
            which = plural(count, f"{'labelled' if labelled else 'unlabelled'} validation sentence")
            enough = "no number would be enough" if needed is None else f"at least {needed:,} would be needed"
            too_few = f"{which} {'is' if count == 1 else 'are'} too few to be certain of {budget:g} points"
            notes.append(f"task {spec.name}: {too_few}, even if no answer changed; {enough}")
    for note in notes:
        _log.warning("%s; students are chosen by estimates alone", note)
    return tuple(notes)


def note_few_rows(transfer_set: TransferSet) -> tuple[str, ...]:
    """That there is too little to learn from."""
    rows = len(transfer_set.rows.rows)
    if rows >= _FEW_ROWS:
        return ()
    note = f"{plural(rows, 'text')} to learn from are few; add sentences without labels with --texts"
    _log.warning("%s", note)
    return (note,)


def note_no_candidates(levels: Sequence[Level]) -> tuple[str, ...]:
    """That nothing of a teacher can be left out."""
    return () if levels else ("there are no students: the encoder has nothing left that could be taken out",)


def note_speed_limit(size: TeacherSize, speed: float) -> tuple[str, ...]:
    """That a wanted speed is more than leaving out all layers would give."""
    fastest = speed_limit(size)
    if speed <= fastest:
        return ()
    return (f"a speed of {speed:g} is out of reach: without any layer it would be about {fastest:.1f}",)


def note_left_out(bundles: Mapping[str, Exported]) -> tuple[str, ...]:
    """Variants that are no points: those that the gate refuses, and those that cannot run here."""
    notes = []
    for model, exported in bundles.items():
        refused = exported.evidence.refused.items()
        notes += [f"{model}: {name} was refused: {'; '.join(one.all_problems)}" for name, one in refused]
        for name, one in exported.evidence.variants.items():
            if one.status != "verified":
                notes.append(f"{model}: {name} was not compared, since it cannot be verified on this machine")
    return tuple(notes)
