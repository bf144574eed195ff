"""Evidence with one variant of every standing and one task of every kind, for tests of what is made of it."""

from dataclasses import replace

from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.bundle.training_summary import Finding, TrainingSummary, ValidationScores
from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.evidence.schema import (
    SCHEMA_VERSION,
    Bin,
    Estimate,
    Evidence,
    Flip,
    HighPrecisionNode,
    Histogram,
    Repair,
    RepairStep,
    StabilityCheck,
    TaskEvidence,
    VariantEvidence,
)

SMUGGLED = "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"

MACHINE = MachineFacts(
    system="Linux",
    architecture="x86_64",
    cpu="AMD EPYC 9654 <96-Core>",
    cpu_flags=("avx2", "fma", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16"),
    cores=8,
    cores_by_affinity=4,
    cores_by_cgroup=2.5,
    cores_allowed=2,
)

_ROWS = (0, 0, 3, 41, 96, 127, 188, 246, 402, 1251)
RELIABILITY = tuple(
    Bin(rows=rows, confidence=(number + 0.52) / 10, accuracy=min(1.0, (number + 0.4 + number % 3 * 0.2) / 10))
    if rows
    else Bin(rows=0, confidence=0.0, accuracy=0.0)
    for number, rows in enumerate(_ROWS)
)
EDGES = (0.0, *(10.0 ** (half / 2) for half in range(-16, 5)))


def histogram(first: int, *counts: int) -> Histogram:
    """Counts from bin number ``first`` on."""
    tail = len(EDGES) - 1 - first - len(counts)
    return Histogram(edges=EDGES, counts=(0,) * first + counts + (0,) * tail)


SENTIMENT = TaskEvidence(
    kind="single_label",
    temperature=1.42,
    sentences=2354,
    agreement=1.0,
    agreement_low=0.998370773061809,
    agreement_high=1.0,
    flips=0,
    flips_outside_ties=0,
    flipped=(),
    logit_scale=1.0,
    max_logit_difference=4.470348358154297e-06,
    mean_logit_difference=4.94228572041615e-07,
    logit_differences=histogram(0, 612, 240, 870, 2391, 2544, 400, 5),
    max_probability_difference=1.9469528693694116e-06,
    mean_probability_difference=8.764499060304262e-08,
    not_finite=0,
    labelled=2351,
    metrics={"accuracy": 0.7765505522514868, "macro_f1": 0.7267545691150143},
    reference_metrics={"accuracy": 0.7765505522514868, "macro_f1": 0.7267545691150143},
    majority_accuracy=0.4367034834324554,
    f1_by_label={"negative": 0.8013, "neutral": 0.5712, "positive": 0.8077},
    reference_f1_by_label={"negative": 0.8013, "neutral": 0.5712, "positive": 0.8077},
    calibration_error=0.0814,
    calibrated_error=0.0192,
    reliability=RELIABILITY,
    problems=(),
)
TOPICS = replace(
    SENTIMENT,
    kind="multi_label",
    labelled=1187,
    max_logit_difference=5.2e-06,
    metrics={"accuracy": 0.6891, "macro_f1": 0.7124, "micro_f1": 0.7689},
    reference_metrics={"accuracy": 0.6891, "macro_f1": 0.7124, "micro_f1": 0.7689},
    f1_by_label={"film & television": 0.812, "food": 0.744, "very long label of a topic that few ask for": 0.581},
    reference_f1_by_label={
        "film & television": 0.812,
        "food": 0.744,
        "very long label of a topic that few ask for": 0.581,
        "gone": 0.1,
    },
    calibration_error=0.0431,
    calibrated_error=0.0127,
)
STARS = replace(
    SENTIMENT,
    kind="regression",
    temperature=1.0,
    logit_scale=4.87,
    labelled=901,
    max_logit_difference=7.9e-06,
    logit_differences=histogram(2, 300, 1104, 790, 160),
    max_probability_difference=0.0,
    mean_probability_difference=0.0,
    metrics={"mse": 0.412, "mae": 0.487, "pearson": 0.8713},
    reference_metrics={"mse": 0.412, "mae": 0.487, "pearson": 0.8713},
    f1_by_label={},
    reference_f1_by_label={},
    calibration_error=None,
    calibrated_error=None,
    reliability=(),
)

FLIPPED = (
    Flip(
        text="The battery died after two days and nobody answers my mails, which is what I had expected of them.",
        reference="negative",
        candidate="neutral",
        margin=0.412,
        tie=False,
    ),
    Flip(text=SMUGGLED, reference="neutral", candidate="<b>positive</b>", margin=0.0871, tie=False),
    Flip(text="Prices rose \u202eagain\u202c.", reference="neutral", candidate="negative", margin=0.00042, tie=True),
)
INT8_SENTIMENT = replace(
    SENTIMENT,
    agreement=2339 / 2354,
    agreement_low=0.98951,
    agreement_high=0.99613,
    flips=15,
    flips_outside_ties=4,
    flipped=FLIPPED,
    max_logit_difference=0.0713,
    mean_logit_difference=0.00914,
    logit_differences=histogram(7, 31, 208, 1210, 3402, 2089, 121, 1),
    max_probability_difference=0.0168,
    mean_probability_difference=0.0021,
    metrics={"accuracy": 0.7752, "macro_f1": 0.7249},
    f1_by_label={"negative": 0.7991, "neutral": 0.5702, "positive": 0.8054},
    calibration_error=0.0829,
    calibrated_error=0.0201,
)
INT8_TOPICS = replace(
    TOPICS,
    agreement=2351 / 2354,
    agreement_low=0.99626,
    agreement_high=0.99957,
    flips=3,
    flips_outside_ties=0,
    flipped=(replace(FLIPPED[2], text="A warm, funny film.", reference="film & television", candidate="-"),),
    max_logit_difference=0.0522,
    max_probability_difference=0.0113,
    logit_differences=histogram(7, 44, 300, 1501, 3601, 1500, 116),
    metrics={"accuracy": 0.6883, "macro_f1": 0.7131, "micro_f1": 0.7691},
)
INT8_STARS = replace(
    STARS,
    max_logit_difference=0.0318,
    logit_differences=histogram(8, 90, 700, 1204, 360),
    metrics={"mse": 0.4131, "mae": 0.4889, "pearson": 0.8709},
)

STABILITY = (
    StabilityCheck(
        name="batches of 32, by length", sentences=512, flips=0, flips_outside_ties=0, max_logit_difference=1.9e-6
    ),
    StabilityCheck(
        name="batches of 32, shuffled", sentences=512, flips=1, flips_outside_ties=0, max_logit_difference=2.1e-6
    ),
    StabilityCheck(
        name="padded to 128 tokens", sentences=512, flips=0, flips_outside_ties=0, max_logit_difference=2.4e-6
    ),
    StabilityCheck(name="a second time", sentences=512, flips=0, flips_outside_ties=0, max_logit_difference=0.0),
    StabilityCheck(name="1 thread", sentences=512, flips=0, flips_outside_ties=0, max_logit_difference=1.4e-6),
)
REPAIR = Repair(
    candidates=36,
    kept=(
        HighPrecisionNode(node="/encoder/layer.5/output/dense/MatMul", sensitivity=0.0412),
        HighPrecisionNode(node="/encoder/layer.0/attention/self/query/MatMul", sensitivity=0.0187),
        HighPrecisionNode(node="/heads/stars/MatMul", sensitivity=0.0069),
    ),
    curve=tuple(
        RepairStep(
            kept=kept,
            sentences=2354,
            agreement={"sentiment": 0.955 + spread, "topics": 0.981 + spread / 3, "stars": 1.0},
            speed=speed,
            holds=kept >= 3,
        )
        for kept, spread, speed in (
            (0, 0.0, 2.61),
            (1, 0.021, 2.52),
            (2, 0.0291, 2.44),
            (3, 0.0386, 2.31),
            (6, 0.041, 2),
        )
    ),
    seconds=143.2,
)

FP32 = VariantEvidence(
    status="verified",
    provider="cpu",
    threads=2,
    tasks={"sentiment": SENTIMENT, "topics": TOPICS, "stars": STARS},
    stability=STABILITY,
    speed=Estimate(median=1.0, low=1.0, high=1.0, n=9),
    operators={"MatMul": 38, "LayerNormalization": 13, "FusedMatMul": 6},
)
INT8 = VariantEvidence(
    status="verified",
    provider="cpu",
    threads=2,
    tasks={"sentiment": INT8_SENTIMENT, "topics": INT8_TOPICS, "stars": INT8_STARS},
    stability=STABILITY[:2],
    speed=Estimate(median=2.3141, low=2.2468, high=2.3987, n=9),
    operators={"DynamicQuantizeMatMul": 33, "MatMul": 3},
    repair=REPAIR,
)
_PROBLEM = "93.12 % of 2354 answers agree, the budget is 99 %"
BF16 = VariantEvidence(
    status="failed",
    provider="cpu",
    threads=2,
    tasks={
        "sentiment": replace(
            INT8_SENTIMENT,
            agreement=0.9312,
            agreement_low=0.9202,
            agreement_high=0.9407,
            flips=162,
            flips_outside_ties=118,
            max_logit_difference=0.931,
            not_finite=2,
            problems=(_PROBLEM, "macro_f1 drops by 1.87 points, the budget is 0.5"),
        ),
        "topics": INT8_TOPICS,
        "stars": replace(INT8_STARS, labelled=0, metrics={}, reference_metrics={}),
    },
    speed=Estimate(median=1.42, low=1.31, high=1.5, n=7),
    problems=("batches of 32, shuffled: 7 answers of 512 sentences change, ties aside",),
)
FP16 = VariantEvidence(
    status="emulated",
    provider="cuda",
    threads=2,
    tasks={
        "sentiment": replace(
            SENTIMENT,
            agreement=2353 / 2354,
            agreement_low=0.9976,
            agreement_high=0.99993,
            flips=1,
            flipped=FLIPPED[2:],
            max_logit_difference=0.00612,
            max_probability_difference=0.00133,
        )
    },
    speed=Estimate(median=0.37, low=0.36, high=0.38, n=5),
)
UNVERIFIED = VariantEvidence(
    status="unverified", provider="cuda", threads=0, tasks={}, problems=("this machine has no provider cuda",)
)
REFUSED = replace(
    BF16,
    tasks={"sentiment": replace(INT8_SENTIMENT, problems=("95.50 % of 2354 answers agree, the budget is 97 %",))},
    speed=Estimate(median=2.61, low=2.55, high=2.7, n=9),
    problems=(),
)

TRAINING = TrainingSummary(
    validation={
        "sentiment": ValidationScores(
            rows=2341,
            model={"accuracy": 0.784, "macro_f1": 0.731},
            probe={"accuracy": 0.702, "macro_f1": 0.655},
            majority={"accuracy": 0.437, "macro_f1": 0.203},
            rating="better than the majority",
        ),
        "topics": ValidationScores(
            rows=150,
            model={"accuracy": 0.487, "macro_f1": 0.231, "micro_f1": 0.487},
            majority={"accuracy": 0.493, "macro_f1": 0.22},
            rating="no better than the majority",
        ),
        "stars": ValidationScores(
            rows=901,
            model={"mse": 0.41, "mae": 0.48, "pearson": 0.87},
            probe={"mse": 0.35, "mae": 0.45, "pearson": 0.89},
            majority={"mse": 1.71, "mae": 1.12, "pearson": 0.0},
            rating="worse than the probe",
        ),
    },
    findings=(
        Finding(
            problem="no_better_than_majority",
            task="topics",
            text="task topics is right no more often than by always answering news",
        ),
        Finding(
            problem="texts_in_both_splits",
            text="40 of 40 validation texts are training texts, 10 of them with another label",
        ),
        Finding(problem="rare_labels", task="topics", text=SMUGGLED),
    ),
)

EVIDENCE = Evidence(
    schema_version=SCHEMA_VERSION,
    bundle_digest="f421d64bb60bf45742b1c70c31fbede915a6a6a12d1f173a94c37debf3855b6f",
    measured_at="2026-11-22T12:17:28+00:00",
    machine=MACHINE,
    made_with={"mtl-export": "0.1.0", "torch": "2.13.0+cpu", "tokenizers": "0.23.3", "onnxruntime": "1.31.1"},
    reference="PyTorch",
    data={
        "test.csv": FileSpec(bytes=293044, sha256="362c2e6718d2ae1a0e4c67020e5c65ec7a3ebba5a8844767e74841adb437b071"),
        "a&b.jsonl": FileSpec(bytes=8801, sha256="0b2c7dc5f1dd5ef15f0e3b9b1a4d4be1a3e1a3b6f1f7a0f5b0f9d0c1e2d3a4b5"),
    },
    variants={"cpu-fp32": FP32, "cpu-int8": INT8, "cpu-bf16": BF16, "cuda-fp16": FP16, "cuda-bf16": UNVERIFIED},
    refused={"cpu-int8-static": REFUSED},
    training=TRAINING,
)
