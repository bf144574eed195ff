"""chunks of rows -> the same rows with their answers in further columns."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.errors import CheckFailedError, InvalidTextError, NonFiniteError, TableError
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.inference.decode import Prediction, RegressionAnswer, SingleLabelAnswer
from mtl_runtime.tables.row_chunks import RowChunk
from mtl_runtime.tables.table import Row, Table
from mtl_runtime.tables.text_column import COLUMN_HINT
from mtl_runtime.wording import enumerate_names

__all__ = ["PredictedChunk", "PredictionColumns", "answer_cells", "answer_columns", "predict_chunks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionColumns:
    """The column that holds the texts, the tasks to answer, and the columns for the answers."""

    tasks: Sequence[TaskSpec]
    text_column: str
    probabilities: bool = False  # of every label
    prefix: str = ""  # of the names of the answers' columns

    @property
    def added(self) -> dict[str, type]:
        """The answers' columns, each ``str`` or ``float``, in their order."""
        return answer_columns(self.tasks, probabilities=self.probabilities, prefix=self.prefix)

    def check(self, table: Table) -> None:
        """Check that ``table`` has the texts, and no column with the name of an answer's column.

        Raises:
            TableError: it lacks the texts, or has such a column.
        """
        table.require(self.text_column, hint=COLUMN_HINT)
        _refuse_overwriting(table, set(table.columns) & self.added.keys(), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedChunk:
    """A chunk and its rows with their answers."""

    chunk: RowChunk
    rows: Sequence[Row]  # the chunk's good rows, each with the answers' columns
    truncated: int  # rows whose text was longer than the encoder reads


def predict_chunks(
    classifier: Classifier, columns: PredictionColumns, table: Table, chunks: Iterable[RowChunk]
) -> Iterator[PredictedChunk]:
    """Classify the good rows of each chunk together, and never with rows of another chunk.

    Raises:
        CheckFailedError: while iterating, the model returned NaN or infinity; the message names the line.
        TableError: while iterating, a jsonl record has a key with the name of an answer's column.
    """
    for chunk, predictions in _predict_texts(classifier, columns, table, chunks):
        rows = [_add_answers(columns, table, *pair) for pair in zip(chunk.rows, predictions, strict=True)]
        yield PredictedChunk(chunk=chunk, rows=rows, truncated=sum(prediction.truncated for prediction in predictions))


def _predict_texts(
    classifier: Classifier, columns: PredictionColumns, table: Table, chunks: Iterable[RowChunk]
) -> Iterator[tuple[RowChunk, list[Prediction]]]:
    waiting: deque[RowChunk] = deque()

    def texts() -> Iterator[list[str]]:
        for chunk in chunks:
            waiting.append(chunk)
            yield [row.values[columns.text_column] for row in chunk.rows]

    before = 0  # texts of the chunks that were yielded
    try:
        for predictions in classifier.stream_chunks(texts(), tasks=[task.name for task in columns.tasks]):
            yield waiting.popleft(), predictions
            before += len(predictions)
    except NonFiniteError as error:
        line = waiting[0].rows[error.index - before].line
        message = f"{table.path}, line {line}: {error.output} is not finite; run `mtl verify`"
        raise CheckFailedError(message) from error
    except InvalidTextError as error:
        line = waiting[0].rows[error.index - before].line
        raise TableError(table.path, error.problem, line=line, column=columns.text_column) from error


def answer_columns(tasks: Sequence[TaskSpec], *, probabilities: bool, prefix: str = "") -> dict[str, type]:
    """List the columns for the answers to ``tasks``, each ``str`` or ``float``, in their order."""
    columns: dict[str, type] = {}
    for task in tasks:
        columns[task.name] = float if task.kind == "regression" else str
        if task.kind == "single_label":
            columns[f"{task.name}.probability"] = float
        if probabilities:
            columns |= {f"{task.name}.probability.{label}": float for label in task.labels}
    return {prefix + name: kind for name, kind in columns.items()}


def _add_answers(columns: PredictionColumns, table: Table, row: Row, prediction: Prediction) -> Row:
    cells = answer_cells(prediction, probabilities=columns.probabilities, prefix=columns.prefix)
    if table.format == "jsonl":
        _refuse_overwriting(table, row.values.keys() & cells.keys(), row.line)
    return Row(row.line, {**row.values, **cells})


def answer_cells(prediction: Prediction, *, probabilities: bool, prefix: str) -> Mapping[str, str | float]:
    """The cells of a row in the columns that :func:`answer_columns` lists."""
    cells: dict[str, str | float] = {}
    for task, answer in prediction.answers.items():
        cells[task] = answer.value
        if isinstance(answer, SingleLabelAnswer):
            cells[f"{task}.probability"] = answer.probability
        if probabilities and not isinstance(answer, RegressionAnswer):
            cells |= {f"{task}.probability.{label}": p for label, p in answer.probabilities.items()}
    return {prefix + name: cell for name, cell in cells.items()}


def _refuse_overwriting(table: Table, names: set[str], line: int) -> None:
    if names:
        problem = f"would be overwritten by the answers: {enumerate_names(sorted(names))}"
        raise TableError(
            table.path,
            f"{problem}; give the answers' columns a prefix, such as --prefix predicted., or choose --tasks",
            line=line,
        )
