"""number of sentences -> the work of each stage of the gate, in sentences that cpu-fp32 answers once.

The factors say what a stage takes compared with answering, as measured; whoever estimates the time left scales them
by what the stages so far really took.
"""

__all__ = ["AUTOTUNE_WORK", "STABILITY_SENTENCES", "comparison_work", "gate_work", "speed_work", "stability_work"]

# Sentences of the stability checks, which answer each of them one by one, several times.
STABILITY_SENTENCES = 256
# Two passes of single sentences, two of batches, and a quarter of them padded to max_length.
_STABILITY_PASSES = 7
# Of each of the two searches for the fastest config: a few rounds of several configs over a sample.
AUTOTUNE_WORK = 600.0


def stability_work(sentences: int) -> float:
    """Of the stability checks where ``sentences`` are compared."""
    return float(_STABILITY_PASSES * min(sentences, STABILITY_SENTENCES))


def speed_work(texts: int, rounds: int) -> float:
    """Of a comparison with the baseline: both answer in each round, and once before it; most variants are faster."""
    return 1.5 * texts * (rounds + 1)


def comparison_work(sentences: int, *, speed: float) -> float:
    """Of one variant: answering, stability and ``speed``, which is 0 for the baseline itself."""
    return sentences + stability_work(sentences) + speed


def gate_work(sentences: int, *, speed: float) -> float:
    """Of one variant that passes: the comparison, and the search for its fastest config."""
    return comparison_work(sentences, speed=speed) + 2 * AUTOTUNE_WORK
