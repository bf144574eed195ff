"""Whatever the files and the size of shards: each row is in one shard, and in its place."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_runtime.bulk.request import PredictJob
from mtl_runtime.cluster.plan import plan_job
from mtl_runtime.cluster.storage.input_files import list_inputs, open_stored
from mtl_runtime.errors import TableError
from mtl_runtime.tables.readers import open_table
from mtl_runtime.tables.row_chunks import ChunkLimits
from mtl_runtime.tables.table import BadRow, format_of
from tests.runtime.cluster.sharded_jobs import make_texts, write_input

CELLS = st.text(st.sampled_from('ab ",\n\ré😀'), max_size=8)
LINES = st.lists(st.text(st.sampled_from('ab "{}:,\ré😀\ufeff'), max_size=12), max_size=30)


def make_job(classifier, **changes):
    values = {
        "classifier": classifier,
        "tasks": classifier.specs,
        "text_column": "text",
        "probabilities": False,
        "prefix": "",
        "input_format": "txt",
        "output_format": "jsonl",
        "on_bad_row": "skip",
        "rejects": None,
        "overwrite": False,
        "limits": ChunkLimits(),
        "max_row_bytes": 2**20,
        "progress": lambda rows, share: None,
    }
    return PredictJob(**{**values, **changes})


def plan(classifier, path, shard_rows):
    return plan_job(make_job(classifier), list_inputs([str(path)]), shard_rows=shard_rows, input_format=None)


def records_of(table):
    """Rows and bad rows; a bad row without its line, which in jsonl and txt is counted from the shard's start."""
    for record in table.records:
        yield ("bad", record.error.problem, record.values) if isinstance(record, BadRow) else record.values


def read_whole(path):
    with open_table(path, columns=["text"]) as table:
        return list(records_of(table))


def read_shards(job):
    for shard in job.shards:
        file = job.inputs[shard.input]
        rows = shard.range_in(file)
        with (
            open_stored(file.path) as stream,
            open_table(Path(file.path), stream=stream, columns=["text"], format=file.format, range=rows) as table,
        ):
            records = list(records_of(table))
        assert shard.rows is None or shard.rows <= len(records)  # blank lines of a csv are no rows, but bad ones
        yield records


def assert_each_row_once(classifier, path, shard_rows):
    job = plan(classifier, path, shard_rows)
    assert [record for records in read_shards(job) for record in records] == read_whole(path)
    assert plan(classifier, path, shard_rows).json == job.json
    return job


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), max_size=30),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.booleans(),
    shard_rows=st.integers(1, 12),
)
def test_each_row_of_a_csv_is_in_one_shard(classifier, tmp_path_factory, rows, quoting, end, mark, shard_rows):
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator=end)
    writer.writerows([("text", "n"), *rows])
    path = tmp_path_factory.mktemp("csv") / "in.csv"
    path.write_bytes(b"\xef\xbb\xbf" * mark + text.getvalue().encode())
    job = assert_each_row_once(classifier, path, shard_rows)
    if quoting == csv.QUOTE_ALL:  # else a carriage return may break a row
        assert len(job.shards) == max(1, -(-len(rows) // shard_rows))


@settings(max_examples=80, deadline=None)
@given(lines=LINES, end=st.sampled_from(["\n", "\r\n"]), last=st.booleans(), shard_rows=st.integers(1, 12))
def test_each_line_of_a_malformed_csv_is_in_one_shard(classifier, tmp_path_factory, lines, end, last, shard_rows):
    path = tmp_path_factory.mktemp("malformed") / "in.csv"
    path.write_bytes((end.join(["text,n", *lines]) + end * last).encode())
    try:
        whole = read_whole(path)
    except TableError:
        with pytest.raises(TableError):
            plan(classifier, path, shard_rows)
        return
    job = plan(classifier, path, shard_rows)
    assert [record for records in read_shards(job) for record in records] == whole


@settings(max_examples=80, deadline=None)
@given(
    lines=LINES,
    objects=st.lists(st.dictionaries(st.sampled_from(["text", "n", "é"]), CELLS, max_size=3), max_size=20),
    order=st.randoms(),
    shard_rows=st.integers(1, 12),
)
def test_each_line_of_a_jsonl_is_in_one_shard(classifier, tmp_path_factory, lines, objects, order, shard_rows):
    path = tmp_path_factory.mktemp("jsonl") / "in.jsonl"
    rest = [*lines, *(json.dumps(row, ensure_ascii=False) for row in objects)]
    order.shuffle(rest)
    path.write_bytes("\n".join(['{"text": "first"}', *rest]).encode())
    job = assert_each_row_once(classifier, path, shard_rows)
    with open_table(path, columns=["text"]) as table:
        assert job.inputs[0].columns == table.columns


@settings(max_examples=80, deadline=None)
@given(lines=LINES, first=st.sampled_from(["", "ab", "a\rb", "\ufeffab"]), shard_rows=st.integers(1, 12))
def test_each_line_of_a_txt_is_in_one_shard(classifier, tmp_path_factory, lines, first, shard_rows):
    path = tmp_path_factory.mktemp("txt") / "in.txt"
    path.write_bytes("\n".join([first, *lines]).encode())
    assert_each_row_once(classifier, path, shard_rows)


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(0, 60), group_rows=st.integers(1, 20), shard_rows=st.integers(1, 25))
def test_each_row_of_a_parquet_is_in_one_shard(classifier, tmp_path_factory, rows, group_rows, shard_rows):
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    path = tmp_path_factory.mktemp("parquet") / "in.parquet"
    write_input(path, make_texts(rows), group_rows=group_rows)
    job = assert_each_row_once(classifier, path, shard_rows)
    assert sum(shard.rows or 0 for shard in job.shards) == rows
    assert [shard.lines_before for shard in job.shards] == [
        sum(shard.rows for shard in job.shards[:number]) for number in range(len(job.shards))
    ]


def test_the_lines_of_a_csv_keep_their_numbers(classifier, tmp_path):
    path = write_input(tmp_path / "in.csv", ["a", "two\nlines", "b", None, "c", None])
    job = plan(classifier, path, 2)
    numbers = []
    for shard in job.shards:
        with (
            open_stored(str(path)) as stream,
            open_table(path, stream=stream, range=shard.range_in(job.inputs[0])) as t,
        ):
            numbers += [record.error.line if isinstance(record, BadRow) else record.line for record in t.records]
    assert numbers == [2, 3, 5, 6, 7, 8]


def test_files_are_cut_by_their_sizes_unless_rows_are_asked_for(classifier, tmp_path):
    path = tmp_path / "in.txt"
    path.write_bytes(b"a text of a line\n" * (2**24 // 17))
    job = plan(classifier, path, None)
    assert len(job.shards) == 4
    assert sum(shard.bytes for shard in job.shards) == path.stat().st_size
    assert len(plan(classifier, path, 500_000).shards) == 2


def test_a_tsv_is_one_shard_since_its_quotes_are_known_only_as_a_whole(classifier, tmp_path):
    path = tmp_path / "in.tsv"
    path.write_text("text\tn\n" + "good\t1\n" * 50)
    assert len(assert_each_row_once(classifier, path, 5).shards) == 1


def test_a_file_of_old_macs_is_one_shard(classifier, tmp_path):
    for name in ("in.csv", "in.txt"):
        (tmp_path / name).write_bytes(b"text\r" + b"good\r" * 50)
        assert len(assert_each_row_once(classifier, tmp_path / name, 5).shards) == 1


def test_several_files_keep_their_order_and_share_their_text_column(classifier, tmp_path):
    first = write_input(tmp_path / "b.csv", make_texts(9))
    second = write_input(tmp_path / "a.jsonl", make_texts(9))
    files = list_inputs([str(first), str(second)])
    job = plan_job(make_job(classifier, text_column=None), files, shard_rows=4, input_format=None)
    assert [Path(file.path).name for file in job.inputs] == ["b.csv", "a.jsonl"]
    assert {shard.input for shard in job.shards} == {0, 1}
    assert job.spec.column == "text"
    (tmp_path / "c.csv").write_text("body\nx\n")
    with pytest.raises(TableError, match=r"c\.csv, line 1: there is no column 'text'"):
        plan_job(
            make_job(classifier), list_inputs([str(first), str(tmp_path / "c.csv")]), shard_rows=4, input_format=None
        )


def test_formats_are_known_by_suffix_or_as_asked(classifier, tmp_path):
    path = tmp_path / "lines.log"
    path.write_text("good\nbad\n")
    with pytest.raises(TableError, match="unknown suffix"):
        plan(classifier, path, 1)
    job = plan_job(make_job(classifier), list_inputs([str(path)]), shard_rows=1, input_format="txt")
    assert format_of(Path("x.txt")) == job.inputs[0].format
