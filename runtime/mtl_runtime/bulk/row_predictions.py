"""chunks of rows -> the same rows with their answers beside them."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.errors import CheckFailedError, InvalidTextError, NonFiniteError, TableError
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.inference.decode import Prediction, RegressionAnswer, SingleLabelAnswer
from mtl_runtime.tables.row_chunks import RowChunk
from mtl_runtime.tables.table import Row, Table

__all__ = ["PredictedChunk", "PredictionColumns", "answer_columns", "predict_chunks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionColumns:
    """What is asked about each row, and the columns that the answers fill."""

    tasks: Sequence[TaskSpec]
    column: str = "text"  # holds the texts
    probabilities: bool = False  # of every label
    prefix: str = ""  # what the names of the answers' columns start with

    @property
    def columns(self) -> dict[str, type]:
        """The columns added, each ``str`` or ``float``, in their order."""
        return answer_columns(self.tasks, probabilities=self.probabilities, prefix=self.prefix)

    def check(self, table: Table) -> None:
        """Make sure that ``table`` has the texts, and no column with an answer's name.

        Raises:
            TableError: it is otherwise.
        """
        table.require(self.column, hint="; name the texts' column with --column")
        _refuse(table, set(table.columns) & self.columns.keys(), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedChunk:
    """A chunk whose rows have their answers."""

    chunk: RowChunk
    rows: Sequence[Row]  # the chunk's good rows, each with the columns added
    truncated: int  # rows whose text was longer than the encoder reads


def predict_chunks(
    classifier: Classifier, questions: PredictionColumns, table: Table, chunks: Iterable[RowChunk]
) -> Iterator[PredictedChunk]:
    """Classify the good rows of each chunk, together and apart from the other chunks'.

    Raises:
        CheckFailedError: while iterating, the model answered NaN or infinity; names the line.
        TableError: while iterating, a jsonl record has a key with an answer's name.
    """
    for chunk, predictions in _predictions(classifier, questions, table, chunks):
        rows = [_answered(questions, table, *pair) for pair in zip(chunk.rows, predictions, strict=True)]
        yield PredictedChunk(chunk=chunk, rows=rows, truncated=sum(prediction.truncated for prediction in predictions))


def _predictions(
    classifier: Classifier, questions: PredictionColumns, table: Table, chunks: Iterable[RowChunk]
) -> Iterator[tuple[RowChunk, list[Prediction]]]:
    waiting: deque[RowChunk] = deque()

    def texts() -> Iterator[list[str]]:
        for chunk in chunks:
            waiting.append(chunk)
            yield [row.values[questions.column] for row in chunk.rows]

    before = 0
    try:
        for predictions in classifier.stream_chunks(texts(), tasks=[task.name for task in questions.tasks]):
            yield waiting.popleft(), predictions
            before += len(predictions)
    except NonFiniteError as error:
        place = f"{table.path}, line {waiting[0].rows[error.index - before].line}"
        raise CheckFailedError(f"{place}: {error.output} is not finite; run `mtl verify`") from error
    except InvalidTextError as error:
        line = waiting[0].rows[error.index - before].line
        raise TableError(table.path, error.problem, line=line, column=questions.column) from error


def answer_columns(tasks: Sequence[TaskSpec], *, probabilities: bool, prefix: str = "") -> dict[str, type]:
    """Columns that the answers to ``tasks`` fill, each ``str`` or ``float``, in their order."""
    columns: dict[str, type] = {}
    for task in tasks:
        columns[task.name] = float if task.kind == "regression" else str
        if task.kind == "single_label":
            columns[f"{task.name}.probability"] = float
        if probabilities:
            columns |= {f"{task.name}.probability.{label}": float for label in task.labels}
    return {prefix + name: kind for name, kind in columns.items()}


def _answered(questions: PredictionColumns, table: Table, row: Row, prediction: Prediction) -> Row:
    cells = _answer_cells(prediction, probabilities=questions.probabilities, prefix=questions.prefix)
    if table.format == "jsonl":
        _refuse(table, row.values.keys() & cells.keys(), row.line)
    return Row(row.line, {**row.values, **cells})


def _answer_cells(prediction: Prediction, *, probabilities: bool, prefix: str) -> Mapping[str, str | float]:
    cells: dict[str, str | float] = {}
    for task, answer in prediction.answers.items():
        cells[task] = answer.value
        if isinstance(answer, SingleLabelAnswer):
            cells[f"{task}.probability"] = answer.probability
        if probabilities and not isinstance(answer, RegressionAnswer):
            cells |= {f"{task}.probability.{label}": p for label, p in answer.probabilities.items()}
    return {prefix + name: cell for name, cell in cells.items()}


def _refuse(table: Table, names: set[str], line: int) -> None:
    if names:
        problem = f"would be overwritten by the answers: {', '.join(sorted(names))}"
        raise TableError(
            table.path,
            f"{problem}; put something before the answers with --prefix predicted., or choose --tasks",
            line=line,
        )
