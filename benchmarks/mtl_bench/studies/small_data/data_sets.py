"""prepared csv files -> the study's data sets: train, validation and test files by set and seed.

The prepared files are those in the folder ``data`` that examples/vader/prepare.py writes.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtl_bench.studies.small_data.sampling import Row, Split, draw_few_shot, draw_proportional
from mtl_bench.studies.small_data.support_tickets import draw_test_tickets, draw_train_tickets
from mtl_runtime.core.sampling import evenly_spaced

__all__ = ["DATA_SETS", "DataSet", "SetFiles"]

TEXT = "text"
_FEW_SHOTS = 8  # SetFit's pairs take an hour and more where there are 32
_TEST_ROWS = 1000  # at most: evenly spread over the test split


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFiles:
    """The csv files of one set and seed, with the columns ``text`` and the tasks' names."""

    train: Path
    validation: Path | None  # None: a tenth of the training rows is held out
    test: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """One set of the study."""

    title: str
    tasks: tuple[str, ...]
    draw: Callable[[Path, int], tuple[Split, Sequence[Row]]]  # prepared files, seed -> what a user has, and test rows
    few_shot: bool = False  # SetFit, which is made for a few rows of each class, is compared on this set

    def write(self, prepared: Path, folder: Path, *, seed: int) -> SetFiles:
        """Write the files of ``seed`` to ``folder``.

        Raises:
            OSError: a prepared file is missing, or the folder cannot be written.
        """
        split, test = self.draw(prepared, seed)
        folder.mkdir(parents=True, exist_ok=True)
        return SetFiles(
            train=self._write(folder / "train.csv", split.train),
            validation=self._write(folder / "validation.csv", split.validation) if split.validation else None,
            test=self._write(folder / "test.csv", test),
        )

    def _write(self, path: Path, rows: Sequence[Row]) -> Path:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [TEXT, *self.tasks], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Prepared files, and the names of their columns here."""

    prefix: str
    columns: Mapping[str, str]  # column in the prepared files -> task

    def read(self, prepared: Path, split: str) -> list[Row]:
        with (prepared / f"{self.prefix}{split}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [{TEXT: row[TEXT], **{task: row[column] for column, task in self.columns.items()}} for row in rows]

    def sampled(self, sample: Callable[[list[Row], int], Split]) -> Callable[[Path, int], tuple[Split, Sequence[Row]]]:
        """Training and validation rows drawn by ``sample`` from the training split, and the test split."""
        return lambda prepared, seed: (sample(self.read(prepared, "train"), seed), self.test_rows(prepared))

    def whole(self, prepared: Path, _seed: int) -> tuple[Split, Sequence[Row]]:
        """All training and validation rows, whatever the seed."""
        split = Split(self.read(prepared, "train"), self.read(prepared, "validation"))
        return split, self.test_rows(prepared)

    def test_rows(self, prepared: Path) -> Sequence[Row]:
        return evenly_spaced(self.read(prepared, "test"), _TEST_ROWS)


def _draw_tickets(_prepared: Path, seed: int) -> tuple[Split, Sequence[Row]]:
    train = draw_train_tickets(seed=seed)
    test = draw_test_tickets(seed=seed, train=train)
    return Split([ticket._asdict() for ticket in train], []), [ticket._asdict() for ticket in test]


def _few_shot_set(source: _Source, title: str, shots: int, *tasks: str, balance: str | None = None) -> DataSet:
    """The last of ``tasks`` is the one with the most classes."""
    return DataSet(
        title=f"{title}, {shots} rows a class",
        tasks=tasks,
        draw=source.sampled(lambda rows, seed: draw_few_shot(rows, shots, task=tasks[-1], balance=balance, seed=seed)),
        few_shot=shots <= _FEW_SHOTS,
    )


def _proportional_set(source: _Source, title: str, count: int, *tasks: str) -> DataSet:
    return DataSet(
        title=f"{title}, {count} rows",
        tasks=tasks,
        draw=source.sampled(lambda rows, seed: draw_proportional(rows, count, tasks=tasks, seed=seed)),
    )


_TREC = _Source(prefix="trec_", columns={"question": "coarse", "fine": "fine"})
_VADER = _Source(prefix="", columns={"sentiment": "sentiment", "domain": "domain"})

# The quickest first.
DATA_SETS: Mapping[str, DataSet] = {
    "vader-8": _few_shot_set(_VADER, "VADER", 8, "sentiment", "domain", balance="sentiment"),
    "trec-coarse-8": _few_shot_set(_TREC, "TREC, coarse types alone", 8, "coarse"),
    "trec-8": _few_shot_set(_TREC, "TREC", 8, "coarse", "fine"),
    "vader-32": _few_shot_set(_VADER, "VADER", 32, "sentiment", "domain", balance="sentiment"),
    "trec-coarse-32": _few_shot_set(_TREC, "TREC, coarse types alone", 32, "coarse"),
    "vader-400": _proportional_set(_VADER, "VADER", 400, "sentiment", "domain"),
    "trec-400": _proportional_set(_TREC, "TREC", 400, "coarse", "fine"),
    "tickets-400": DataSet(title="support tickets, 400 rows", tasks=("topic", "urgency"), draw=_draw_tickets),
    "trec-32": _few_shot_set(_TREC, "TREC", 32, "coarse", "fine"),
    "trec": DataSet(title="TREC, all rows", tasks=("coarse", "fine"), draw=_TREC.whole),
    "vader": DataSet(title="VADER, all rows", tasks=("sentiment", "domain"), draw=_VADER.whole),
}
