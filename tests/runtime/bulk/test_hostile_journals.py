"""A journal that says what cannot be is one line, or its chunks are computed again; it costs no memory."""

import json

import pytest

from mtl_runtime.errors import MtlError
from tests.runtime.bulk.bulk_jobs import Interrupt, interrupted_after, make_source, predict, whole


@pytest.fixture
def interrupted(classifier, tmp_path):
    """Source, target and journal of a job with three finished chunks; the last has a bad row."""
    source, target = make_source(tmp_path / "in.jsonl", rows=40, bad=(9,)), tmp_path / "out.csv"
    with pytest.raises(Interrupt):
        predict(interrupted_after(classifier, 3), source, target, on_bad_row="skip")
    return source, target, tmp_path / ".out.csv.mtl-work" / "ledger.jsonl"


def uninterrupted(classifier, source):
    target = source.with_name("plain.csv")
    predict(whole(classifier), source, target, on_bad_row="skip")
    return target.read_bytes()


def change_line(journal, number, change):
    lines = journal.read_text().splitlines()
    record = json.loads(lines[number])
    change(record)
    lines[number] = json.dumps(record)
    journal.write_text("".join(f"{line}\n" for line in lines))


def assign(*path, value):
    def change(record):
        for key in path[:-1]:
            record = record[key]
        record[path[-1]] = value

    return change


CHUNKS = {
    "a huge part": assign("done", "output", "bytes", value=2**62),
    "a part beyond 64 bits": assign("done", "output", "bytes", value=2**80),
    "huge rejects": assign("done", "rejects", "bytes", value=2**62),
    "a part of negative size": assign("done", "output", "bytes", value=-1),
    "a part of another type": assign("done", "output", "bytes", value="many"),
    "negative rows": assign("done", "rows", value=-(2**63)),
    "more rows than a chunk has": assign("done", "rows", value=2**62),
    "more bad rows than a chunk has": assign("done", "bad_rows", value=10**9),
    "more truncated rows than rows": assign("done", "truncated", value=10**6),
    "another number": assign("done", "chunk", value=7),
    "another hash": assign("done", "output", "sha256", value="0" * 64),
    "a hash that is none": assign("done", "output", "sha256", value="z" * 64),
    "neither chunk nor end": lambda record: record.clear(),
    "an unknown key": assign("more", value=1),
}


@pytest.mark.parametrize("case", CHUNKS)
def test_a_chunk_that_cannot_be_is_computed_again(classifier, interrupted, case):
    source, target, journal = interrupted
    change_line(journal, 2, CHUNKS[case])
    predict(whole(classifier), source, target, on_bad_row="skip", resume=True)
    assert target.read_bytes() == uninterrupted(classifier, source)
    assert not journal.parent.exists()


@pytest.mark.parametrize("damage", [b"\n", b"[" * 100_000 + b"\n", b"x" * 2**21, b'{"done": ' + b"9" * 5000 + b"}\n"])
def test_what_follows_a_line_that_cannot_be_read_is_computed_again(classifier, interrupted, damage):
    source, target, journal = interrupted
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], damage, *lines[2:]]))
    predict(whole(classifier), source, target, on_bad_row="skip", resume=True)
    assert target.read_bytes() == uninterrupted(classifier, source)


HEADERS = {
    "a million threads": (assign("job", "threads", value=10**6), "no job has"),
    "negative threads": (assign("job", "threads", value=-1), "no job has"),
    "no worker": (assign("job", "workers", value=0), "no job has"),
    "endless batches": (assign("job", "max_batch_tokens", value=2**70), "does not fit 64 bits"),
    "no rows in a chunk": (assign("job", "chunk_rows", value=0), "is less than 1"),
    "threads of another type": (assign("job", "threads", value="two"), "expected int"),
    "a flag for a number": (assign("job", "threads", value=True), "expected int"),
    "another version": (assign("schema_version", value=2**80), "has schema version"),
    "an input of negative size": (assign("job", "input", "bytes", value=-1), "cannot be read"),
    "another job": (assign("job", "bundle", value="0" * 64), "was started as another job: bundle is"),
    "a huge chunk": (assign("job", "chunk_rows", value=2**62), "was started as another job: chunk_rows is"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_job_that_cannot_be_is_one_line(classifier, interrupted, case):
    source, target, journal = interrupted
    change, message = HEADERS[case]
    change_line(journal, 0, change)
    with pytest.raises(MtlError, match=message) as caught:
        predict(whole(classifier), source, target, on_bad_row="skip", resume=True)
    assert len(str(caught.value)) <= 500
    assert not target.exists()


def test_a_journal_written_in_another_form_is_read_where_its_first_line_ends(classifier, interrupted):
    source, target, journal = interrupted
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([b" " * 1000, *lines]))
    predict(whole(classifier), source, target, on_bad_row="skip", resume=True)
    assert target.read_bytes() == uninterrupted(classifier, source)


@pytest.mark.parametrize("line", [b"7\n", b"{}\n", b'{"line": "x", "column": 1, "reason": [], "row": 0}\n', b"\xff\n"])
def test_rejects_that_cannot_be_are_one_line(classifier, interrupted, line):
    from mtl_runtime.bundle.manifest import FileSpec
    from mtl_runtime.core.records import to_dict

    source, target, journal = interrupted
    (journal.parent / "rejects").write_bytes(line)
    change_line(journal, 3, assign("done", "rejects", value=to_dict(FileSpec.of(line))))
    with pytest.raises(MtlError, match=r"rejects cannot be read .*--force"):
        predict(whole(classifier), source, target, on_bad_row="skip", resume=True)


@pytest.mark.parametrize("name", ["ledger.jsonl", "output", "rejects", "joined", "lock"])
def test_a_work_folder_with_links_is_refused(classifier, interrupted, tmp_path, name):
    source, target, journal = interrupted
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (journal.parent / name).unlink(missing_ok=True)
    (journal.parent / name).symlink_to(mine)
    with pytest.raises(MtlError, match=f"{name} is a link to"):
        predict(whole(classifier), source, target, on_bad_row="skip", resume=True)
    assert mine.read_text() == "mine"


def test_an_output_that_appears_while_a_job_works_stays_and_its_work_is_kept(classifier, tmp_path):
    source, target = make_source(tmp_path / "in.csv"), tmp_path / "out.csv"

    def appear(rows, _share):
        if rows:
            target.write_text("theirs")

    with pytest.raises(MtlError, match=r"appeared while this command worked.*--resume"):
        predict(whole(classifier), source, target, progress=appear)
    assert target.read_text() == "theirs"
    target.unlink()
    predict(whole(classifier), source, target, resume=True)
    assert target.read_bytes() == uninterrupted(classifier, source)


def test_an_output_that_appears_while_a_stream_is_read_stays_and_the_rows_are_kept(classifier, tmp_path):
    target = tmp_path / "out.csv"
    with (tmp_path / "in.txt").open("wb+") as stream:
        stream.write(b"good\nbad\n")
        stream.seek(0)
        with pytest.raises(MtlError, match=r"appeared while this command worked.*what was written is complete in"):
            predict(classifier, stream, target, progress=lambda rows, _share: target.write_text("theirs"))
    assert target.read_text() == "theirs"
    (kept,) = tmp_path.glob(".out.csv-*")
    assert len(kept.read_text().splitlines()) == 3
