"""size of a teacher + order of its layers + wanted speed -> candidates of several sizes, several of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mtl_export.compression.pruning.sensitivity import LayerLoss
from mtl_export.compression.pruning.student_shape import StudentShape, TeacherSize

__all__ = ["Candidate", "Level", "plan_levels", "speed_limit"]

# Of the wanted speed, in the order in which they are tried: the wanted one, one that should be easy, two that may be
# too much.
_SPEEDS = (1.0, 2 / 3, 1.5, 2.0)
# What no student saves (tokenizer, embeddings, norms, pooling, heads) costs a token as much as so many multiplications
# for each column of the hidden size: 0.14 of a pass of a MiniLM of 6 layers of 384, 0.04 of 12 layers of 768. Both are
# by the measured speeds of int8 students on one processor, 0.11 to 0.23 and 0.03 to 0.06.
_FIXED_WORK_PER_COLUMN = 4500
# Columns are left in steps of a sixteenth, which kernels divide evenly.
_NEURON_STEPS = 16


@dataclass(frozen=True, slots=True)
class Candidate:
    """A student that may be made."""

    name: str
    shape: StudentShape
    work: float  # multiplications of its layers, as a share of the teacher's


@dataclass(frozen=True, slots=True)
class Level:
    """Candidates of about one size, of which the best is distilled to its end."""

    work: float  # that was aimed at
    candidates: tuple[Candidate, ...]


def plan_levels(size: TeacherSize, steps: Sequence[LayerLoss], *, speed: float) -> tuple[Level, ...]:
    """Plan sizes around the wanted speed, the one that should reach it first.

    Args:
        size: of the teacher.
        steps: its layers in the order in which they may be left out.
        speed: wanted, as a multiple of the teacher's.
    """
    levels: dict[float, Level] = {}
    taken: set[StudentShape] = set()
    # The largest first: a shape that is the nearest to several sizes counts as one of the largest of them.
    for factor in sorted(_SPEEDS):
        work = _work_for(factor * speed, _fixed_share(size))
        candidates = []
        for name, shape in _ways(size, {len(step.remaining): step.remaining for step in steps}, work):
            if shape not in taken and size.work(shape) < 1.0:
                taken.add(shape)
                candidates.append(Candidate(name, shape, size.work(shape)))
        if candidates:
            levels[factor] = Level(work, tuple(candidates))
    return tuple(levels[factor] for factor in _SPEEDS if factor in levels)


def speed_limit(size: TeacherSize) -> float:
    """What the speed would be without any layer, as a multiple of the teacher's, by an estimate."""
    return 1 / _fixed_share(size)


def _fixed_share(size: TeacherSize) -> float:
    """Of a pass of the teacher, what its layers do not cost."""
    fixed = _FIXED_WORK_PER_COLUMN * size.hidden
    return fixed / (fixed + size.layers * (size.attention + size.feed_forward))


def _work_for(speed: float, fixed_share: float) -> float:
    """The share of the layers' work that gives this speed, as a multiple of the teacher's."""
    return min(1.0, max(0.0, (1 / speed - fixed_share) / (1 - fixed_share)))


def _ways(size: TeacherSize, by_count: dict[int, tuple[int, ...]], work: float) -> Iterator[tuple[str, StudentShape]]:
    """Ways to about that share of the work: fewer layers, narrower layers, or both."""
    total = size.layers
    layers = {**by_count, total: tuple(range(total))}
    count = max(1, min(total, _round_half_down(work * total)))
    fewer = _counted(count, "layer")
    yield fewer, StudentShape(layers=layers[count])
    yield f"{fewer}-spaced", StudentShape(layers=tuple(number * total // count for number in range(count)))
    if not size.widths_known:
        return
    more = max(1, min(total, round(total * work**0.5)))
    for left in dict.fromkeys((total, more)):
        share = work * total / left
        if share < 1:
            yield _narrow(size, layers[left], share)


def _narrow(size: TeacherSize, layers: tuple[int, ...], share: float) -> tuple[str, StudentShape]:
    """Layers with that share of their heads and neurons, at least one of each."""
    step = max(1, size.neurons // _NEURON_STEPS)
    heads = max(1, round(share * size.heads))
    neurons = max(step, round(share * size.neurons / step) * step)
    shape = StudentShape(
        layers=layers,
        heads=heads if heads < size.heads else None,
        neurons=neurons if neurons < size.neurons else None,
    )
    return "-".join((_counted(len(layers), "layer"), _counted(heads, "head"), _counted(neurons, "neuron"))), shape


def _counted(number: int, noun: str) -> str:
    return f"{number}-{noun}" if number == 1 else f"{number}-{noun}s"


def _round_half_down(value: float) -> int:
    return -round(-value - 1e-9) if value % 1 != 0.5 else int(value)
