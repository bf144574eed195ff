"""The evidence page says what was measured, in well-formed HTML, and cannot be made to run anything."""

import base64
import hashlib
import re
from dataclasses import replace
from importlib import resources

import pytest

from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.bundle.training_summary import Finding
from mtl_runtime.core.records import from_dict, to_dict
from mtl_runtime.evidence.schema import Estimate, Evidence, Histogram
from mtl_runtime.report import number_format
from mtl_runtime.report.document import evidence_page
from mtl_runtime.report.html import tag
from tests.runtime.evidence.evidence_records import BF16, EVIDENCE, FP16, FP32, INT8, REFUSED, SMUGGLED, UNVERIFIED
from tests.runtime.report.page_document import Document

SCORES = EVIDENCE.training.validation["sentiment"]
STYLE = resources.files("mtl_runtime.report").joinpath("page.css").read_text("utf-8")


@pytest.fixture(scope="module")
def page():
    return evidence_page(EVIDENCE, title="demo <bundle>")


@pytest.fixture(scope="module")
def document(page):
    return Document(page)


def only(**changes) -> Document:
    """The page of evidence with these fields changed."""
    return Document(evidence_page(replace(EVIDENCE, **changes), title="t"))


def test_the_page_is_well_formed_and_declares_language_charset_and_title(page, document):
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert document.named("meta")[0] == {"charset": "utf-8"}
    assert "demo <bundle>: evidence" in document.text


def test_equal_evidence_gives_equal_bytes(page):
    copy = from_dict(Evidence, to_dict(EVIDENCE))
    assert evidence_page(copy, title="demo <bundle>") == page


def test_the_summary_names_every_variant_in_one_sentence(document):
    sentence = (
        "On this machine, compared with PyTorch on 2,354 sentences: cpu-fp32 and cpu-int8 are verified; "
        "cpu-bf16 failed; cuda-fp16 is only emulated; cuda-bf16 is unverified; cpu-int8-static was refused."
    )
    assert sentence in document.text


def test_the_summary_says_when_no_variant_is_verified():
    text = only(variants={"cuda-bf16": UNVERIFIED}, refused={}).text
    assert "On this machine: no variant is verified;" in text
    assert "verify BUNDLE" in text


def test_the_first_table_says_whether_the_model_is_good(page, document):
    for row in (
        "sentiment accuracy 0.784 0.767 to 0.800 2,341 0.702 0.437 ✓ better than majority and probe",
        "topics accuracy 0.487 0.408 to 0.566 150 – 0.493 ✕ no better than the majority",
        "stars mean abs. error 0.480 – 901 0.450 1.120 ≈ worse than the probe",
        "Pearson 0.870 – 901 0.890 0.000",
    ):
        assert row in document.text
    assert page.index("no better than the majority") < page.index("<table") + 3000
    assert page.index("Is the model good?") < page.index("<table")


def test_a_sentence_above_the_first_table_says_how_often_the_answers_are_right(page):
    sentence = (
        "On rows that training set aside for validation, the answer is right for sentiment in 78 of 100 rows, "
        "for topics in 49 of 100 rows."
    )
    assert 0 < page.index(sentence) < page.index("<table")


def test_figures_of_a_file_that_verify_was_given_come_before_those_of_validation():
    given = only(reference="cpu-fp32", data={"unseen.csv": FileSpec.of(b"rows")}).text
    assert "Labelled rows of unseen.csv" in given
    assert given.index("Labelled rows of unseen.csv") < given.index("Validation rows of training")
    assert "Labelled rows of" not in only(reference="PyTorch").text  # an export's are the validation rows


def test_what_is_wrong_with_the_model_stands_above_every_badge(page):
    first_badge = page.index('class="b ')
    for finding in EVIDENCE.training.findings[:2]:
        assert 0 < page.index(finding.text) < first_badge


def test_the_page_explains_that_verified_means_as_pytorch_and_not_good(document):
    assert "A verified variant gives PyTorch's answers, right or wrong: it is as good as the model is." in document.text
    assert "it answers as PyTorch does, which is no word on whether the model is good." in document.text


def test_a_bundle_without_a_summary_of_training_says_that_it_has_none():
    assert "does not say how well the model did in training" in only(training=None).text


def test_the_accuracy_shows_what_the_most_frequent_label_of_the_same_rows_would_score(document):
    assert "0.775 −0.14 points majority 0.437 n = 2,351" in document.text


def test_evidence_without_any_variant_still_makes_a_page():
    assert "no variant is verified" in only(variants={}, refused={}, data={}, made_with={}).text


@pytest.mark.parametrize(
    "fact",
    [
        EVIDENCE.bundle_digest,
        EVIDENCE.measured_at,
        "AMD EPYC 9654 <96-Core>, x86_64, Linux",
        "2 allowed of 8 (affinity 4, quota 2.5)",
        "avx2, fma, avx512f, avx_vnni, avx512_vnni, avx512_bf16",
        "torch 2.13.0+cpu",
        "sentiment 2,354 (2,351 labelled)",
        "topics 2,354 (1,187 labelled)",
        "a&b.jsonl",
        *(file.sha256 for file in EVIDENCE.data.values()),
        *(f"{file.bytes:,}" for file in EVIDENCE.data.values()),
    ],
)
def test_every_fact_that_a_signature_rests_on_is_there(document, fact):
    assert fact in document.text


@pytest.mark.parametrize(
    "figure",
    [
        "99.36 % 98.95–99.61 % n = 2,354",  # agreement, Wilson interval, sample
        "15 4 outside ties n = 2,354",  # flips
        "0.775 −0.14 points majority 0.437 n = 2,351",  # accuracy
        "0.725 −0.19 points n = 2,351",  # macro-F1
        "0.0713 n = 2,354 0.0168 n = 2,354",  # largest logit and probability difference
        "0.083 → 0.020 n = 2,351",  # calibration error
        "2.31× 95 %: 2.25–2.40 9 rounds",  # speed
        "0.871 Pearson −0.04 points n = 901 0.489 mean abs. error +0.002 n = 901",  # a regression
        "93.12 % of 2354 answers agree, the budget is 99 %",
        "this machine has no provider cuda",
        "negative 0.799 0.801 −0.22 points",  # F1 by label
        "very long label of a topic that few ask for",
        "gone – 0.100 –",
        "batches of 32, shuffled 512 1 0 2.1 × 10⁻⁶",  # stability
        "DynamicQuantizeMatMul 33",
        "/encoder/layer.5/output/dense/MatMul 0.0412",
        "3 of 36 nodes kept in higher precision",
        "The search took 143 s.",
        "2 2.44× 98.41 % 99.07 % misses 3 2.31× 99.36 % 99.39 % holds",  # curve
        "15 flips in 2,354 sentences, 4 outside ties, of which the 3 with the widest margins are shown",
        "negative neutral 0.412 no tie",
        "neutral negative 4.2 × 10⁻⁴ tie",
        "not finite: 2",
        "the budget is times 4.87",
        "0.9 to 1.0: 1,251 answers, probability 0.952, right 0.940",
        "0.001 to 0.00316: 2,089",
        "Wilson",
        "Guo",
    ],
)
def test_every_figure_that_matters_is_there(document, figure):
    assert figure in document.text


def test_each_badge_carries_a_mark_and_a_word(document):
    for words in ("✓ verified", "✕ failed", "≈ emulated", "○ unverified", "⊘ refused"):
        assert words in document.text


def test_only_failed_variants_are_open(document):
    assert ["open" in attributes for attributes in document.named("details")] == [
        False,
        False,
        True,
        False,
        False,
        False,
    ]


def test_an_unverified_variant_says_that_nothing_was_measured_and_what_measures_it():
    text = only(variants={"cuda-bf16": UNVERIFIED}, refused={}).text
    assert "Nothing was measured here. mtl verify BUNDLE measures on the target machine." in text


def test_an_emulated_variant_shows_rounding_only_and_no_speed():
    text = only(variants={"cuda-fp16": FP16}, refused={}).text
    assert "the figures cover rounding only" in text
    assert "rounding alone holds" in text
    assert "0.37×" not in text


def test_a_regression_has_no_agreement_no_flips_and_no_probabilities():
    stars = {"stars": INT8.tasks["stars"]}
    text = only(variants={"cpu-int8": replace(INT8, tasks=stars, repair=None)}, refused={}).text
    assert "– a number – cannot flip" in text
    assert "A number has no decision that could flip" in text
    assert "100.00 %" not in text


def test_a_regression_is_left_out_of_the_curve_of_agreement(document):
    assert "agreement: sentiment" in document.text
    assert "agreement: stars" not in document.text


def test_a_repair_that_did_not_help_says_so():
    repair = replace(INT8.repair, kept=INT8.repair.kept[:2])
    text = only(variants={"cpu-int8": replace(INT8, repair=repair)}, refused={}).text
    assert "With them it still misses its budget." in text


def test_without_labels_there_is_no_accuracy_and_no_diagram():
    task = replace(
        FP32.tasks["sentiment"],
        labelled=0,
        metrics={},
        reference_metrics={},
        f1_by_label={},
        reference_f1_by_label={},
        calibration_error=None,
        calibrated_error=None,
        reliability=(),
    )
    document = only(variants={"cpu-fp32": replace(FP32, tasks={"sentiment": task})}, refused={})
    assert document.text.count("– no labels") == 3
    assert len(document.named("svg")) == 1  # the histogram


@pytest.mark.parametrize(
    "histogram",
    [
        Histogram(edges=(), counts=()),
        Histogram(edges=(0.0, 1e-8), counts=(7,)),
        Histogram(edges=(0.0, 0.1, 0.2, 0.3), counts=(0, 3, 0)),
        Histogram(edges=(0.0, 0.1, 0.2, 0.3), counts=(900, 3, 1)),
        Histogram(edges=(1e-8, 1e-3, 1e3), counts=(5, 100_000)),
        Histogram(edges=(0.0, 1.0), counts=(0,)),
    ],
)
def test_any_histogram_can_be_drawn(histogram):
    task = replace(FP32.tasks["sentiment"], logit_differences=histogram)
    page = evidence_page(replace(EVIDENCE, variants={"v": replace(FP32, tasks={"sentiment": task})}), title="t")
    assert "nan" not in re.sub(r">[^<]*<", "><", page).lower()
    assert not re.search(r'(width|height)="-', page)


def test_a_curve_of_a_single_step_and_equal_values_can_be_drawn():
    repair = replace(INT8.repair, curve=(replace(INT8.repair.curve[0], agreement={"sentiment": 1.0}),))
    document = only(variants={"cpu-int8": replace(INT8, repair=repair)}, refused={})
    assert "0 2.61× 100.00 % misses" in document.text


def test_sentences_labels_and_file_names_are_text_and_never_elements(page, document):
    assert SMUGGLED in document.text
    assert "<b>positive</b>" in document.text
    assert document.named("script") == document.named("img") == document.named("b") == []
    assert not any(name.startswith("on") for _, attributes in document.elements for name in attributes)
    assert page.count("<script") == 0


@pytest.mark.parametrize("hostile", [SMUGGLED, "</title></style></svg>", '" onload="x', "\x00\u202e\ud800&amp;"])
def test_whatever_a_record_says_the_page_has_the_same_elements(hostile):
    def shape(words):
        task = replace(
            INT8.tasks["sentiment"],
            f1_by_label={words: 0.5},
            reference_f1_by_label={},
            metrics={"accuracy": 0.5, words: 0.5},
            problems=(words,),
        )
        repair = replace(INT8.repair, curve=(replace(INT8.repair.curve[0], agreement={words: 0.5}),))
        variant = replace(INT8, tasks={words: task}, operators={words: 1}, problems=(words,), repair=repair)
        changes = {
            "variants": {words: replace(variant, provider=words)},
            "refused": {words: REFUSED},
            "made_with": {words: words},
            "data": {words: EVIDENCE.data["test.csv"]},
            "machine": replace(EVIDENCE.machine, cpu=words, cpu_flags=(words,)),
            "reference": words,
            "measured_at": words,
            "bundle_digest": words,
            "training": replace(
                EVIDENCE.training, validation={words: SCORES}, findings=(Finding(problem="other", text=words),)
            ),
        }
        page = evidence_page(replace(EVIDENCE, **changes), title=words)
        page.encode("utf-8")
        return [(tag, list(attributes)) for tag, attributes in Document(page).elements]

    assert shape(hostile) == shape("plain")


def test_marks_that_reorder_what_is_signed_are_written_out(document):
    assert "Prices rose \\u202eagain\\u202c." in document.text


def test_the_page_needs_nothing_from_elsewhere_and_runs_no_script(page, document):
    assert not re.search(r"(src|href)=\"(?!#)|url\(|@import|https?:", page)
    assert "javascript" not in page.lower()
    anchors = {attributes["href"][1:] for attributes in document.named("a")}
    assert anchors <= {attributes.get("id") for _, attributes in document.elements}


def test_the_policy_of_the_page_allows_exactly_its_style(page, document):
    (policy,) = [m["content"] for m in document.named("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert not any("style" in attributes for _, attributes in document.elements)


def test_table_headers_have_a_scope_and_tables_a_caption(document):
    assert all(attributes.get("scope") for attributes in document.named("th"))
    assert len(document.named("caption")) == len(document.named("table"))


def test_every_chart_reads_as_an_image_with_a_title(page, document):
    charts = [svg for svg in document.named("svg") if "aria-hidden" not in svg]
    assert len(charts) == page.count("<desc>") > 10
    assert all(svg["role"] == "img" for svg in charts)
    assert len(re.findall(r'role="img"><title>[^<]+</title>', page)) == len(charts)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_words_have_the_contrast_of_wcag_aa(theme):
    start = [m.start() for m in re.finditer(":root", STYLE)][theme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", STYLE[start : STYLE.index("}", start)]))
    papers = [("paper", name) for name in ("ink", "quiet", "link", "failed")]
    papers += [("panel", name) for name in ("ink", "quiet")]
    papers += [(f"{name}-paper", name) for name in ("verified", "failed", "emulated", "unverified", "refused")]
    for paper, ink in papers:
        assert contrast(colours[paper], colours[ink]) >= 4.5, (paper, ink)
    for name in ("bar", "mark", "s0", "s1", "s2", "s3"):
        assert contrast(colours["paper"], colours[name]) >= 3, name


def contrast(paper, ink):
    def luminance(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(paper), luminance(ink)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number_format.percent(1.0), "100.00 %"),
        (number_format.percent(0.99996), "99.996 %"),
        (number_format.percent(0.9999999), "99.999990 %"),
        (number_format.percent(0.0), "0.00 %"),
        (number_format.change(-0.0001), "±0.00"),
        (number_format.change(-0.126), "−0.13"),
        (number_format.small(0.0), "0"),
        (number_format.small(4.47e-6), "4.5 × 10⁻⁶"),
        (number_format.small(12345.6), "12,346"),
        (number_format.small(-0.5), "−0.5"),
        (number_format.plural(1, "flip"), "1 flip"),
        (
            number_format.ratio(Estimate(median=2.314, low=2.2, high=2.4, n=1)),
            ("2.31×", "95 %: 2.20–2.40", "1 round"),
        ),
    ],
)
def test_figures_are_written_so_that_rounding_never_flatters(shown, expected):
    assert shown == expected


def test_an_attribute_cannot_be_left_by_its_value():
    assert tag("a", "x", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;">x</a>'


def test_a_problem_of_a_whole_variant_stands_in_the_table_too():
    text = only(variants={"cpu-bf16": BF16}, refused={}).text
    assert text.count(BF16.problems[0]) == 2
