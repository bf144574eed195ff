"""Bulk prediction: every row is written or reported, and the file is complete or absent."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.bulk.predict_file import predict_file
from mtl_runtime.errors import CheckFailedError, MtlError, TableError, UnknownTaskError
from tests.runtime.bulk.bulk_jobs import with_run

ANSWERS = ["sentiment", "sentiment.probability", "topics", "stars"]


@pytest.fixture
def source(tmp_path):
    def write(name, text):
        file = tmp_path / name
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        return file

    return write


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_output_has_the_inputs_columns_and_then_the_answers(classifier, source, tmp_path):
    texts = ["the soup was good", "awful, really", ""]
    rows = "".join(f'{n},"{text}"\n' for n, text in enumerate(texts))
    summary = predict_file(classifier, source("in.csv", f"id,text\n{rows}"), tmp_path / "out.csv")
    assert (summary.rows, summary.truncated, summary.bad_rows.count) == (3, 0, 0)
    written = read_csv(tmp_path / "out.csv")
    assert list(written[0]) == ["id", "text", *ANSWERS]
    for row, text, prediction in zip(written, texts, classifier(texts), strict=True):
        assert row["text"] == text
        assert row["sentiment"] == prediction["sentiment"].label
        assert float(row["sentiment.probability"]) == prediction["sentiment"].probability
        assert row["topics"] == "|".join(prediction["topics"].labels)
        assert float(row["stars"]) == prediction["stars"].value


def test_all_probabilities_of_chosen_tasks_on_demand(classifier, source, tmp_path):
    predict_file(
        classifier,
        source("in.txt", "good soup\n"),
        tmp_path / "out.jsonl",
        tasks=["topics", "sentiment"],
        probabilities=True,
    )
    record = json.loads((tmp_path / "out.jsonl").read_text("utf-8"))
    topics, sentiment = classifier("good soup")["topics"], classifier("good soup")["sentiment"]
    assert record == {
        "text": "good soup",
        "topics": "food",
        **{f"topics.probability.{label}": p for label, p in topics.probabilities.items()},
        "sentiment": "positive",
        "sentiment.probability": sentiment.probability,
        **{f"sentiment.probability.{label}": p for label, p in sentiment.probabilities.items()},
    }


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=20).filter(len))
def test_any_texts_come_back_in_their_order_whatever_the_format(classifier, texts):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    out = io.BytesIO()
    predict_file(classifier, io.BytesIO(lines.encode()), out, input_format="jsonl", output_format="tsv")
    with io.TextIOWrapper(io.BytesIO(out.getvalue()), "utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert [row["text"] for row in rows] == texts
    assert [row["sentiment"] for row in rows] == [p["sentiment"].label for p in classifier(texts)]


def test_many_chunks_give_the_rows_of_one(classifier, source, tmp_path):
    texts = [f"good soup {n}" for n in range(5000)]
    seen = []
    summary = predict_file(
        classifier,
        source("in.txt", "\n".join(texts) + "\n"),
        tmp_path / "out.csv",
        tasks=["stars"],
        progress=lambda rows, share: seen.append((rows, share and round(share, 1))),
    )
    assert summary.rows == 5000
    assert [rows for rows, _ in seen] == [0, 2048, 4096, 5000]
    assert seen[-1][1] == 1.0
    assert [row["text"] for row in read_csv(tmp_path / "out.csv")] == texts


BAD = [
    ('{"text": "good"}\n{"text": null}\n{"text": "bad"}\n', "the text is missing"),
    ('{"text": "good"}\n{"other": 1}\n{"text": "bad"}\n', "the text is missing"),
    ('{"text": "good"}\n{"text": 5}\n{"text": "bad"}\n', "expected a str, found int"),
    ('{"text": "good"}\n{"text": "\\ud800"}\n{"text": "bad"}\n', "lone surrogate"),
    ('{"text": "good"}\nnot json\n{"text": "bad"}\n', "not valid JSON"),
    (f'{{"text": "good"}}\n{{"text": "{"x" * 70_000}"}}\n{{"text": "bad"}}\n', "has 70000 bytes"),
]


@pytest.mark.parametrize(("content", "problem"), BAD)
def test_a_bad_row_names_its_line_and_leaves_no_file(classifier, source, tmp_path, content, problem):
    file = source("in.jsonl", content)
    with pytest.raises(TableError, match=problem) as caught:
        predict_file(classifier, file, tmp_path / "out.jsonl")
    assert (caught.value.path, caught.value.line) == (file, 2)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("content", "problem"), BAD)
def test_a_bad_row_can_be_left_out_but_is_counted(classifier, source, tmp_path, content, problem):
    summary = predict_file(classifier, source("in.jsonl", content), tmp_path / "out.jsonl", on_bad_row="skip")
    assert (summary.rows, summary.bad_rows.count) == (2, 1)
    assert [error.line for error in summary.bad_rows.first] == [2]
    assert problem in str(summary.bad_rows.first[0])
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [record["text"] for record in records] == ["good", "bad"]


def test_only_the_first_bad_rows_are_kept_but_all_are_counted(classifier, source, tmp_path):
    content = '{"text": "good"}\n' + "{}\n" * 100
    summary = predict_file(classifier, source("in.jsonl", content), tmp_path / "out.jsonl", on_bad_row="skip")
    assert (summary.rows, summary.bad_rows.count, len(summary.bad_rows.first)) == (1, 100, 20)


def test_truncated_texts_are_counted(classifier, source, tmp_path):
    summary = predict_file(classifier, source("in.txt", "good " * 50 + "\ngood\n"), tmp_path / "out.csv")
    assert (summary.rows, summary.truncated) == (2, 1)


@pytest.mark.parametrize(
    "content",
    ['{"text": "good", "sentiment": "x"}\n', '{"text": "good"}\n{"text": "bad", "sentiment": "x"}\n'],
)
def test_an_input_column_with_an_answers_name_is_not_overwritten(classifier, source, tmp_path, content):
    file = source("in.jsonl", content)
    with pytest.raises(TableError, match=r"would be overwritten by the answers: sentiment; .* --prefix"):
        predict_file(classifier, file, tmp_path / "out.jsonl")
    assert predict_file(classifier, file, tmp_path / "out.jsonl", tasks=["stars"]).rows >= 1


def test_a_prefix_keeps_the_answers_apart_from_the_inputs_columns(classifier, tmp_path):
    source = tmp_path / "labelled.csv"
    source.write_text("text,sentiment\ngood,positive\n")
    predict_file(classifier, source, tmp_path / "out.csv", tasks=["sentiment"], prefix="predicted.")
    header = (tmp_path / "out.csv").read_text().splitlines()[0]
    assert header == "text,sentiment,predicted.sentiment,predicted.sentiment.probability"


def test_an_existing_output_stays_unless_overwriting_is_asked_for(classifier, source, tmp_path):
    target = tmp_path / "out.csv"
    target.write_text("precious")
    file = source("in.txt", "good\n")
    with pytest.raises(MtlError, match="exists already; give --force"):
        predict_file(classifier, file, target)
    assert target.read_text() == "precious"
    predict_file(classifier, file, target, overwrite=True)
    assert read_csv(target)[0]["text"] == "good"


def test_an_input_may_be_replaced_by_its_answers(classifier, source):
    file = source("in.csv", "text\ngood\nbad\n")
    predict_file(classifier, file, file, overwrite=True)
    assert [row["sentiment"] for row in read_csv(file)] == ["positive", "negative"]


def test_an_output_in_a_folder_that_is_not_there_is_the_users_mistake(classifier, source, tmp_path):
    with pytest.raises(MtlError, match="cannot be written: No such file or directory"):
        predict_file(classifier, source("in.txt", "good\n"), tmp_path / "no" / "out.csv")


def test_another_text_column_and_unknown_tasks_and_columns(classifier, source, tmp_path):
    file = source("in.csv", "review,n\ngood,1\n")
    predict_file(classifier, file, tmp_path / "out.csv", column="review")
    assert read_csv(tmp_path / "out.csv")[0]["sentiment"] == "positive"
    with pytest.raises(TableError, match="no column 'text'; the columns are: review, n"):
        predict_file(classifier, file, tmp_path / "out2.csv")
    with pytest.raises(UnknownTaskError):
        predict_file(classifier, file, tmp_path / "out2.csv", tasks=["tone"])
    assert not (tmp_path / "out2.csv").exists()


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("in.csv", "id;text", '1;"good; soup"'),
        ("in.csv", ",text,,n,n", "0,good,,1,2"),
        ("in.tsv", "id\ttext", '1\tso-called "soup"'),
    ],
)
def test_the_output_keeps_header_cells_and_separator_of_its_input(classifier, source, tmp_path, name, header, row):
    target = tmp_path / f"out{name[2:]}"
    predict_file(classifier, source(name, f"{header}\n{row}\n"), target, tasks=["stars"])
    separator = next(mark for mark in ";,\t" if mark in header)
    written = list(csv.reader(target.read_text().splitlines(), delimiter=separator))
    assert written[0] == [*header.split(separator), "stars"]
    before = next(csv.reader([row], delimiter=separator))
    assert written[1][:-1] == before
    assert float(written[1][-1]) == classifier(before[1])["stars"].value


def test_a_table_with_a_header_only_gives_a_header_only(classifier, source, tmp_path):
    assert predict_file(classifier, source("in.csv", "text,n\n"), tmp_path / "out.csv").rows == 0
    assert (tmp_path / "out.csv").read_text() == ",".join(["text", "n", *ANSWERS]) + "\n"


def test_a_logit_that_is_not_finite_names_the_line_and_leaves_no_file(classifier, source, tmp_path):
    bank = classifier.tokenizer.token_id("bank")

    def poisoned(batch, outputs):
        rows = classifier.run_batch(batch, outputs)
        rows[0][(batch.input_ids == bank).any(axis=1)] = np.inf
        return rows

    file = source("in.csv", 'text\n"two\nlines"\ngood\nbank\n')
    with pytest.raises(CheckFailedError, match=r"in\.csv, line 5: a logit of task 'sentiment'") as caught:
        predict_file(with_run(classifier, poisoned), file, tmp_path / "out.csv")
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == [file]


def test_parquet_keeps_its_schema_and_gets_columns(classifier, tmp_path):
    pa = pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    columns = {
        "text": pa.array(["good", "bad soup"]),
        "small": pa.array([1, None], pa.int8()),
        "when": pa.array([1, 2_000_000_001], pa.timestamp("ns")),
        "kind": pa.array(["x", "y"]).dictionary_encode(),
    }
    table = pa.table(columns).replace_schema_metadata({"note": "kept"})
    pq.write_table(table, tmp_path / "in.parquet")
    predict_file(classifier, tmp_path / "in.parquet", tmp_path / "out.parquet")
    out = pq.read_table(tmp_path / "out.parquet")
    assert out.select(list(columns)).equals(table)
    assert out.schema.metadata[b"note"] == b"kept"
    assert out.column_names == [*columns, *ANSWERS]
    assert out["sentiment"].to_pylist() == ["positive", "negative"]
    assert out.schema.field("stars").type == pa.float64()


def test_parquet_to_csv_writes_what_no_python_type_holds(classifier, tmp_path):
    pa = pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    when = pa.array([1], pa.timestamp("ns"))
    pq.write_table(pa.table({"text": ["good"], "when": when}), tmp_path / "in.parquet")
    predict_file(classifier, tmp_path / "in.parquet", tmp_path / "out.csv")
    assert read_csv(tmp_path / "out.csv")[0]["when"] == "1970-01-01 00:00:00.000000001"
