"""What was measured of a teacher and its students: records, the front, and which one is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mtl_export.compression.pruning.student_shape import StudentShape
from mtl_export.compression.trials import Trial
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.evidence.schema import BudgetOutcome, Estimate, TeacherComparison, VariantEvidence
from mtl_runtime.gate.teacher_comparison import worst_outcome
from mtl_runtime.report.number_format import plural

__all__ = [
    "TEACHER",
    "Choice",
    "CompressionInputs",
    "Point",
    "StudentRecord",
    "StudentsRecord",
    "TaskChange",
    "choose",
    "mark_front",
    "point_of",
    "task_change",
    "worst_loss",
]

TEACHER = "teacher"
_ERRORS = ("mse", "mae")  # metrics that are worse when they are higher


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChange:
    """One task of one variant, compared with the teacher in PyTorch."""

    sentences: int
    agreement: float
    metrics: Mapping[str, float]
    changes: Mapping[str, float]  # of these
    lows: Mapping[str, float]  # the worse ends of their 95 % intervals
    loss: float  # points of 100: the largest drop of a metric that the budget is about
    budget: float  # points of 100
    outcome: BudgetOutcome
    sentences_needed: int | None = None
    difference: float | None = None  # points, without labels: other answers, or what a correlation lacks to 1

    @property
    def is_regression(self) -> bool:
        """Whether its answers are numbers, of which none is the same or another; not known without labels."""
        return "pearson" in self.metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One variant of the teacher or of a student: how fast it is, and what it loses."""

    model: str  # folder of its bundle
    variant: str
    work: float  # multiplications of the encoder's layers, as a share of the teacher's
    speed: Estimate  # times the teacher's fastest variant, in the same rounds
    texts_per_second: Estimate
    p50_milliseconds: float  # of a text alone
    tasks: Mapping[str, TaskChange]
    loss: float  # points of 100: the largest of the tasks'
    outcome: BudgetOutcome  # the gravest of the tasks'
    on_front: bool = False  # no other point is faster and loses less


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The variant to take."""

    model: str
    variant: str
    reason: str


@dataclass(frozen=True, slots=True)
class StudentRecord:
    """A candidate that was distilled to its end."""

    name: str
    shape: StudentShape
    method: str  # in words
    seconds: (
        float  # that its last distillation, its export and its comparison took; after an interruption, the rest of it
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionInputs:
    """What decides the students that a compression ends with."""

    teacher: str  # SHA-256 of its weights
    record: FileSpec | None = field(default=None, metadata=records.if_set())  # its checkpoint.json, with its budgets
    files: tuple[FileSpec, ...]  # of training and validation, then those of texts without labels
    column: str | None  # of the latter
    variants: tuple[str, ...]
    budget: float  # points of 100
    speed: float  # that is wanted
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentsRecord:
    """Content of students.json."""

    inputs: CompressionInputs
    sentences: int  # that the points were compared on
    machine: MachineFacts
    made_with: Mapping[str, str]
    layers: Mapping[str, float]  # layers left, such as "0 2 4" -> divergence without any training
    trials: tuple[Trial, ...]
    students: tuple[StudentRecord, ...]
    points: tuple[Point, ...]
    choice: Choice
    notes: tuple[str, ...] = ()  # what was left out, and why
    seconds: float = field(default=0.0)

    @property
    def teacher(self) -> str:
        """SHA-256 of its weights."""
        return self.inputs.teacher

    def is_taken(self, point: Point) -> bool:
        """Whether it is the variant to take."""
        return (self.choice.model, self.choice.variant) == (point.model, point.variant)

    @property
    def fastest_first(self) -> tuple[Point, ...]:
        """All points, by their speed."""
        return tuple(sorted(self.points, key=_median_speed, reverse=True))

    @property
    def budget(self) -> float:
        """Points of 100 that a metric may drop, unless its task has a budget of its own."""
        return self.inputs.budget


def point_of(
    model: str,
    variant: str,
    evidence: VariantEvidence,
    *,
    work: float,
    speed: Estimate,
    texts_per_second: Estimate,
    p50_milliseconds: float,
) -> Point:
    """A point, from the evidence of a variant that was compared with the teacher."""
    tasks = {name: task_change(compared) for name, compared in evidence.teacher.items()}
    return Point(
        model=model,
        variant=variant,
        work=work,
        speed=speed,
        texts_per_second=texts_per_second,
        p50_milliseconds=p50_milliseconds,
        tasks=tasks,
        loss=worst_loss(evidence.teacher),
        outcome=worst_outcome([task.outcome for task in tasks.values()]),
    )


def worst_loss(compared: Mapping[str, TeacherComparison]) -> float:
    """The largest loss of a task, in points of 100."""
    return max((task.loss for task in compared.values()), default=0.0)


def mark_front(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points, those marked that no other beats in one of speed and loss without losing in the other."""

    def beaten(point: Point) -> bool:
        return any(
            (other.speed.median, -other.loss) != (point.speed.median, -point.loss)
            and other.speed.median >= point.speed.median
            and other.loss <= point.loss
            for other in points
        )

    return tuple(replace(point, on_front=not beaten(point)) for point in points)


def choose(points: Sequence[Point], *, budget: float, speed: float) -> Choice:
    """The fastest point inside the budgets of all tasks; the teacher's own if no student inside is certainly faster.

    Where a single answer differs, a metric's drop says little, so that its outcome is uncertain; here it counts.
    """
    own = [point for point in points if point.model == TEACHER]
    unchanged = max(filter(_is_inside, own), key=_median_speed, default=min(own, key=lambda point: point.loss))
    faster = [
        point
        for point in points
        if point.model != TEACHER and _is_inside(point) and point.speed.low > unchanged.speed.median
    ]
    best = max(faster, key=_median_speed, default=unchanged)
    return Choice(model=best.model, variant=best.variant, reason=_reason(best, points, budget=budget, speed=speed))


def _is_inside(point: Point) -> bool:
    return all(task.loss <= task.budget for task in point.tasks.values())


def _median_speed(point: Point) -> float:
    return point.speed.median


def _reason(best: Point, points: Sequence[Point], *, budget: float, speed: float) -> str:
    own = {name: task.budget for name, task in best.tasks.items() if task.budget != budget}
    others = f" ({', '.join(f'{name} {points:g}' for name, points in own.items())})" if own else ""
    limit = f"the budget of {budget:g} {'point' if budget == 1 else 'points'}{others}"
    if best.model == TEACHER:
        variants = plural(sum(point.model != TEACHER for point in points), "variant")
        taken = "the teacher's fastest variant inside it" if _is_inside(best) else "the teacher's most accurate variant"
        found = f"nothing inside {limit} was found that is faster by more than noise, among {variants} of students"
        return f"{found}; this is {taken}"
    certainty = "with 95 % confidence" if best.outcome == "certain" else _uncertain(best)
    reached = "" if best.speed.median >= speed else f"; the wanted {speed:g} times was not reached"
    drop = f"no metric drops by more than {best.loss:.2f} points" if best.loss > 0 else "no metric drops"
    return (
        f"the fastest inside {limit}: {best.speed.median:.2f} times as many texts a second as the teacher's fastest "
        f"variant, and {drop}, {certainty}{reached}"
    )


def _uncertain(point: Point) -> str:
    uncertain = [task for task in point.tasks.values() if task.outcome == "uncertain"]
    sentences = min(task.sentences for task in uncertain)
    needed = [task.sentences_needed for task in uncertain]
    more = f"; about {max(filter(None, needed)):,} would be enough" if None not in needed else ""
    few = "sentence is" if sentences == 1 else "sentences are"
    return f"which {sentences:,} {few} too few to be certain of{more}"


def task_change(compared: TeacherComparison) -> TaskChange:
    """The figures of a comparison, without the sentences."""
    answers = compared.answers
    return TaskChange(
        sentences=answers.labelled or answers.sentences,
        agreement=answers.agreement,
        metrics=answers.metrics,
        changes={name: moved.change for name, moved in compared.changes.items()},
        lows={name: moved.high if name in _ERRORS else moved.low for name, moved in compared.changes.items()},
        loss=compared.loss,
        budget=compared.budget,
        outcome=compared.outcome,
        sentences_needed=compared.sentences_needed,
        difference=compared.unlabelled_difference,
    )
