"""The tokenizer of a model is the one that AutoTokenizer gives, whatever tokenizer.json says."""

import json
import logging
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import AutoConfig, AutoModel, AutoTokenizer

from mtl_export.errors import EncoderError
from mtl_export.model.encoder import load_encoder
from mtl_export.model.encoder.tokenizer_texts import make_comparison_texts
from tests.export.model.encoder.folders import (
    BERT_VOCABULARY,
    bert_tokenizer,
    byte_level_tokenizer,
    save_with_tokenizer,
    write_json,
)
from tests.export.tiny import save_encoder, tiny_tokenizer

MAX_LENGTH = 16
SMALL_CANINE = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}
BERT, ROBERTA = {"tokenizer_class": "BertTokenizer"}, {"tokenizer_class": "RobertaTokenizer"}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "encoder"


def load_tokenizer(folder):
    return load_encoder(str(folder), pooling="mean", max_length=MAX_LENGTH).tokenizer


def lines_of(caplog, folder):
    caplog.clear()
    with caplog.at_level(logging.INFO, "mtl_export"):
        load_tokenizer(folder)
    return [line for line in caplog.messages if "tokenizer" in line]


def error_of(folder):
    with pytest.raises(EncoderError) as caught:
        load_tokenizer(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(repr(str(folder)), "X")


def assert_agreement(folder, texts):
    """Ours and AutoTokenizer's ids are the same, truncation included."""
    expected = AutoTokenizer.from_pretrained(folder)(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    assert [list(text.ids) for text in load_tokenizer(folder).encode(texts)] == expected


TEXTS = [
    "",
    "Great FILM",
    "café CAFÉ cafe\u0301 über naïve",
    "中文good",
    "a [MASK] b[SEP]c <mask> x<mask>y </s>",
    " good  \n film\t",
    "good " * 40,
    "x\u200b\x00\x07\ufeff\u00a0y",
    "😀👍🏽 x",
]


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize(
    "declared",
    [
        {"do_lower_case": True},
        {"do_lower_case": False},
        {"do_lower_case": False, "strip_accents": True},
        {"do_lower_case": True, "strip_accents": False},
        {"tokenize_chinese_chars": False},
        {"added_tokens_decoder": {"24": {"content": "über", "special": False, "normalized": False}}},
        {"split_special_tokens": False, "model_max_length": 8, "padding_side": "left"},
    ],
)
def test_a_tokenizer_json_that_contradicts_tokenizer_config_gives_way_to_it(folder, lowercase, declared):
    save_with_tokenizer(folder, bert_tokenizer(lowercase=lowercase), {**BERT, **declared})
    assert_agreement(folder, TEXTS)


def test_capitalized_words_are_known_to_an_encoder_that_lowercases_and_a_line_says_how(folder, caplog):
    save_with_tokenizer(folder, bert_tokenizer(lowercase=False), {**BERT, "do_lower_case": True})
    good, film = (BERT_VOCABULARY.index(word) for word in ("good", "film"))
    assert load_tokenizer(folder).encode(["Good FILM"])[0].ids == (2, good, film, 3)
    (line,) = lines_of(caplog, folder)
    assert line.startswith(
        "encoder: AutoTokenizer's tokenizer is used: tokenizer.json reads 'A' as [CLS] [UNK] [SEP], "
    )
    assert line.endswith("AutoTokenizer (BertTokenizer) as [CLS] a [SEP]")


@pytest.mark.parametrize("declared", [{}, {"add_prefix_space": True}, {"add_prefix_space": False}])
@pytest.mark.parametrize("prefix", [True, False])
def test_the_space_in_front_of_a_text_is_the_one_of_auto_tokenizer(folder, declared, prefix):
    tokenizer = byte_level_tokenizer(add_prefix_space=prefix)
    save_with_tokenizer(folder, tokenizer, {**ROBERTA, **declared}, family="roberta")
    assert_agreement(folder, TEXTS)


def test_special_tokens_that_transformers_adds_beyond_the_embeddings_are_left_out(folder):
    tokenizer = bert_tokenizer(lowercase=False)
    content = json.loads(tokenizer.to_str())
    del content["model"]["vocab"]["!"]
    content["model"]["vocab"]["*"] = content["model"]["vocab"].pop("[MASK]")
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] != "[MASK]"]
    save_with_tokenizer(folder, type(tokenizer).from_str(json.dumps(content)), {**BERT, "do_lower_case": True})
    ours = load_tokenizer(folder)
    assert ours.token_id("[MASK]") is None
    assert ours.vocabulary_size == len(BERT_VOCABULARY) - 1
    assert_agreement(folder, [text for text in TEXTS if "[MASK]" not in text])


def test_a_tokenizer_json_that_agrees_is_taken_in_silence_and_its_padding_and_truncation_are_not(folder, caplog):
    tokenizer = bert_tokenizer()
    tokenizer.enable_padding(length=30)
    tokenizer.enable_truncation(4)
    save_with_tokenizer(folder, tokenizer, BERT)
    assert lines_of(caplog, folder) == []
    assert [len(text) for text in load_tokenizer(folder).encode(["", "good film", "good " * 40])] == [2, 4, MAX_LENGTH]


def test_a_tokenizer_json_of_no_class_of_transformers_is_taken_as_it_is(folder, caplog):
    tokenizer = tiny_tokenizer()
    tokenizer.no_padding()
    save_with_tokenizer(folder, tokenizer, family="roberta")
    assert lines_of(caplog, folder) == [
        "encoder: tokenizer.json is used; without a tokenizer_class, AutoTokenizer reads it as a RobertaTokenizer"
    ]
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
    assert lines_of(caplog, folder) == []
    assert load_tokenizer(folder).encode(["good"])[0].ids == (2, 4, 3)


def test_without_a_tokenizer_config_the_defaults_of_the_family_count_as_they_do_for_auto_tokenizer(folder, caplog):
    save_with_tokenizer(folder, bert_tokenizer(lowercase=False))
    assert_agreement(folder, TEXTS)
    assert "AutoTokenizer's tokenizer is used" in lines_of(caplog, folder)[0]


def test_a_tokenizer_that_exists_only_in_python_is_refused(folder):
    words = ["<unk>", "good</w>", "g", "o", "d</w>"]
    save_encoder(folder, vocab_size=len(words))
    (folder / "tokenizer.json").unlink()
    write_json(folder / "vocab.json", {word: index for index, word in enumerate(words)})
    (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "CTRLTokenizer"})
    assert error_of(folder) == (
        "encoder X needs CTRLTokenizer, which exists only in Python and has no tokenizer.json; "
        "use an encoder with a fast tokenizer"
    )
    save_with_tokenizer(folder, bert_tokenizer(), {"tokenizer_class": "CTRLTokenizer"})
    message = error_of(folder)
    assert message.startswith("encoder X needs CTRLTokenizer, which exists only in Python and has no tokenizer.json; ")
    assert "tokenizer.json reads '' as [CLS] [SEP], AutoTokenizer (CTRLTokenizer) as nothing" in message


def test_a_class_that_auto_tokenizer_cannot_make_leaves_tokenizer_json_and_a_line(folder, caplog):
    save_with_tokenizer(folder, bert_tokenizer(), {"tokenizer_class": "XLMTokenizer"})
    (line,) = lines_of(caplog, folder)
    assert line.startswith(
        "encoder: tokenizer.json is used and was not compared with AutoTokenizer: You need to install"
    )
    assert load_tokenizer(folder).encode(["Good"])[0].ids == (2, BERT_VOCABULARY.index("good"), 3)


def test_an_encoder_that_looks_no_tokens_up_is_refused(folder):
    save_with_tokenizer(folder, bert_tokenizer(), family="bert")
    AutoModel.from_config(AutoConfig.for_model("canine", **SMALL_CANINE)).save_pretrained(folder)
    assert error_of(folder) == ("canine has no table of token embeddings; use an encoder that reads tokens")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {
                "pre_tokenizer": {
                    "type": "Split",
                    "pattern": {"Regex": r"\s+$"},
                    "behavior": "Isolated",
                    "invert": False,
                }
            },
            "has regular expressions that take about",
        ),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": ""}}, "cannot be read: Precompiled"),
    ],
)
def test_a_tokenizer_that_loading_a_bundle_would_refuse_is_refused_before_training(folder, changes, problem):
    save_with_tokenizer(folder, bert_tokenizer())
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    write_json(folder / "tokenizer.json", {**content, **changes})
    assert error_of(folder).startswith(f"encoder X: tokenizer.json {problem}")


def test_long_texts_are_cut_at_their_end_and_a_folder_that_cuts_their_start_is_named(folder, caplog):
    save_with_tokenizer(folder, bert_tokenizer(), {**BERT, "truncation_side": "left"})
    assert lines_of(caplog, folder) == [
        "encoder: tokenizer_config.json cuts long texts at their start; here they are cut at their end"
    ]
    first = load_tokenizer(folder).encode(["good " + "film " * 40])[0].ids[1]
    assert first == BERT_VOCABULARY.index("good")


def test_a_vocabulary_file_gives_the_tokenizer_where_there_is_no_tokenizer_json(folder):
    save_encoder(folder, vocab_size=len(BERT_VOCABULARY))
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(BERT_VOCABULARY) + "\n", "utf-8")
    write_json(folder / "tokenizer_config.json", {**BERT, "do_lower_case": False})
    assert_agreement(folder, TEXTS)


@pytest.fixture(scope="module")
def lowercased(tmp_path_factory):
    """A folder whose two files disagree, the tokenizer that is made of it, and AutoTokenizer's."""
    folder = tmp_path_factory.mktemp("encoders") / "encoder"
    save_with_tokenizer(folder, bert_tokenizer(lowercase=False), {**BERT, "do_lower_case": True})
    return load_tokenizer(folder), AutoTokenizer.from_pretrained(folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.one_of(st.text(), st.sampled_from([*BERT_VOCABULARY, "Good", "FILM", " ", "\n"]))).map("".join))
def test_any_text_has_the_ids_of_auto_tokenizer(lowercased, text):
    ours, auto = lowercased
    assert list(ours.encode([text])[0].ids) == auto(text, truncation=True, max_length=MAX_LENGTH)["input_ids"]


def test_the_texts_of_the_comparison_are_the_same_each_time_and_hold_words_of_the_vocabulary():
    vocabulary = ["[PAD]", "##s", "▁good", "Ġfilm", "x</w>", "12", "中", *map(str, range(500))]
    texts = make_comparison_texts(vocabulary, ["[SEP]", "<mask>"])
    assert texts == make_comparison_texts(vocabulary, ["[SEP]", "<mask>"])
    assert {"", "good", "GOOD", "Good", "film", "x", "[SEP]", "[sep]", "film <mask> film"} <= set(texts)
    assert 50 < len(texts) < 600
    scripts = {unicodedata.name(letter, "").partition(" ")[0] for text in texts for letter in text if letter.isalpha()}
    assert {"LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW", "DEVANAGARI", "THAI", "CJK", "HANGUL"} <= scripts
    assert max(map(len, texts)) > 5000


def with_template(tokenizer, *, cls_id=2, type_id=0):
    content = json.loads(tokenizer.to_str())
    content["post_processor"]["special_tokens"]["[CLS]"]["ids"] = [cls_id]
    for part in content["post_processor"]["single"]:
        next(iter(part.values()))["type_id"] = type_id
    return type(tokenizer).from_str(json.dumps(content))


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ({"cls_id": 500}, "puts '[CLS]' with the id 500 around a text, and its vocabulary has it as 2"),
        ({"type_id": 2}, "gives the token type 2, the encoder embeds 2 types; set type_id in the post_processor"),
    ],
)
def test_a_template_beyond_what_the_encoder_embeds_is_refused(folder, template, problem):
    tokenizer = with_template(bert_tokenizer(), **template)
    save_with_tokenizer(folder, tokenizer, {"tokenizer_class": "PreTrainedTokenizerFast"})
    assert problem in error_of(folder)
    save_with_tokenizer(
        folder, with_template(bert_tokenizer(), type_id=1), {"tokenizer_class": "PreTrainedTokenizerFast"}
    )
    assert load_tokenizer(folder).encode(["good"])[0].type_ids == (1, 1, 1)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (["model", "unk_token"], "[NONE]", "WordPiece error: Missing [UNK] token from the vocabulary"),
        (["model", "vocab"], {"good": 4}, "puts '[CLS]' with the id 2 around a text, and its vocabulary has no such"),
        (["post_processor", "single"], [{"Sequence": {"id": "B", "type_id": 0}}], "takes B in place of A, the text"),
    ],
)
def test_a_tokenizer_that_fails_on_some_texts_is_refused_when_it_is_loaded(folder, path, value, problem):
    content = json.loads(bert_tokenizer().to_str())
    content[path[0]][path[1]] = value
    if path[-1] == "vocab":
        content["added_tokens"] = []
    tokenizer = type(bert_tokenizer()).from_str(json.dumps(content))
    save_with_tokenizer(folder, bert_tokenizer(), {"tokenizer_class": "PreTrainedTokenizerFast"})
    tokenizer.save(str(folder / "tokenizer.json"))
    message = error_of(folder)
    assert message.startswith("encoder X: tokenizer.json ")
    assert problem in message
    assert message.endswith("; use the one that its encoder was published with, and export again")


def test_a_unigram_tokenizer_without_an_unknown_token_is_refused(folder):
    tokenizer = Tokenizer(models.Unigram([("<s>", 0.0), ("</s>", 0.0), ("\u2581good", -1.0)]))
    save_with_tokenizer(folder, tokenizer, {"tokenizer_class": "PreTrainedTokenizerFast"})
    message = error_of(folder)
    assert "tokenizer.json cannot read 'a': Encountered an unknown token but `unk_id` is missing" in message


def test_a_length_that_special_tokens_fill_is_refused(folder):
    content = json.loads(bert_tokenizer().to_str())
    content["post_processor"]["single"] = [
        *content["post_processor"]["single"],
        *[{"SpecialToken": {"id": "[SEP]", "type_id": 0}}] * 14,
    ]
    save_with_tokenizer(folder, bert_tokenizer(), {"tokenizer_class": "PreTrainedTokenizerFast"})
    Tokenizer.from_str(json.dumps(content)).save(str(folder / "tokenizer.json"))
    assert error_of(folder) == (
        "encoder X: tokenizer.json adds 16 special tokens, so that 16 tokens leave no room for a text; "
        "raise max_length, and export again"
    )
