"""How much a run measures: one vocabulary for the suite and for all studies."""

from dataclasses import dataclass, replace

__all__ = [
    "BULK_STUDY",
    "FULL",
    "FULL_WITH_PEERS",
    "JOINT_TRAINING_STUDY",
    "QUANTIZATION_STUDY",
    "QUICK",
    "QUICK_WITH_PEERS",
    "RUNTIME_STUDY",
    "SERVING_STUDY",
    "SMALL_DATA_STUDY",
    "TRAINING_COST_STUDY",
    "Effort",
    "extend_for_gpu",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much of each thing is measured; a field that is 0 leaves its measurement out, or is for another suite."""

    # Timing
    launches: int = 0  # fresh processes of each system: mtl compare needs five to see a difference of 15 %
    rounds: int = 0  # of each process, interleaved with those of all others
    timed_texts: int = 0  # in a pass
    sweep_texts: int = 0  # in a pass of the search for the fastest batch size
    single_texts: int = 0  # answered one by one in each process
    short_calls: int = 0  # of one short text, on each side
    server_steps: int = 0  # rates that the server scenario tries
    server_seconds: float = 0.0  # for which each rate is offered, about
    soak_calls: int = 0
    # Answers
    scored_texts: int | None = None  # whose answers are scored; None: all
    calibration_texts: int = 0  # from which activation ranges are taken
    neighbour_texts: int = 0  # answered alone and in batches
    # Parts of the suite
    separate_graphs: bool = False  # whether one fp32 graph for each task is measured too, which takes the most time
    extras: bool = False  # whether the extras are measured: tasks curve, roofline, lengths, threads
    extra_rounds: int = 0
    # Bulk files and training
    bulk_rows: int = 0  # of the file that one process answers
    killed_rows: int = 0  # of the file whose processes are killed
    kills: int = 0
    seeds: tuple[int, ...] = ()  # of trainings
    steps: int = 0  # of the optimizer, timed in each process


FULL = Effort(
    launches=5,
    rounds=3,
    timed_texts=256,
    scored_texts=800,
    sweep_texts=64,
    single_texts=100,
    server_steps=4,
    server_seconds=1.5,
    soak_calls=100,
    separate_graphs=True,
    extras=True,
    extra_rounds=9,
)
QUICK = Effort(
    launches=5,
    rounds=4,
    timed_texts=128,
    scored_texts=500,
    sweep_texts=64,
    single_texts=100,
    server_steps=3,
    server_seconds=1.0,
    soak_calls=100,
)
# Thirty systems, each of which takes seconds to start, must finish in under 40 minutes; all get the same effort.
FULL_WITH_PEERS = replace(FULL, launches=3, rounds=2, timed_texts=192, server_steps=3, soak_calls=60)
QUICK_WITH_PEERS = replace(QUICK, launches=3, rounds=3)


def extend_for_gpu(effort: Effort) -> Effort:
    """The same with all texts scored, and eight times the texts in a pass, which a GPU answers in milliseconds."""
    return replace(effort, timed_texts=8 * effort.timed_texts, sweep_texts=16 * effort.sweep_texts, scored_texts=None)


RUNTIME_STUDY = Effort(launches=15, rounds=9, short_calls=2000, soak_calls=10_000)
# Short rounds: what slows the machine for some seconds then slows whole rounds, and not one method in a round.
QUANTIZATION_STUDY = Effort(rounds=31, timed_texts=128, calibration_texts=512, neighbour_texts=2000)
BULK_STUDY = Effort(bulk_rows=1_000_000, killed_rows=30_000, kills=20)
JOINT_TRAINING_STUDY = Effort(seeds=(0, 1))
SERVING_STUDY = Effort(rounds=5, server_seconds=8.0, timed_texts=1000)
SMALL_DATA_STUDY = Effort(seeds=(0, 1, 2))
TRAINING_COST_STUDY = Effort(rounds=3, steps=24)
