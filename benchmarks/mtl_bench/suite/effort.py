"""how thorough -> Effort: how many processes, rounds and texts a run takes."""

from dataclasses import dataclass, replace

__all__ = ["FULL", "QUICK", "QUICK_WITH_PEERS", "WITH_PEERS", "Effort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured."""

    sittings: int  # fresh processes of each system: mtl compare needs five to see a difference of 15 %
    rounds: int  # of each process, interleaved with those of all others
    texts: int  # timed in a pass
    judged: int | None  # texts whose answers are compared; None: all
    sweep_texts: int
    stream: int  # single texts in each process
    server_steps: int  # rates tried; 0: the scenario is left out
    server_seconds: float  # that each rate is offered for, about
    soak_calls: int  # 0: no soak
    plain: bool  # whether one fp32 graph for each task in plain onnxruntime is measured too, which takes the most time
    parts: bool  # whether the parts beside the table are measured: tasks, roofline, lengths, threads
    part_rounds: int = 0


FULL = Effort(
    sittings=5,
    rounds=3,
    texts=256,
    judged=800,
    sweep_texts=64,
    stream=100,
    server_steps=4,
    server_seconds=1.5,
    soak_calls=100,
    plain=True,
    parts=True,
    part_rounds=9,
)
QUICK = Effort(
    sittings=5,
    rounds=4,
    texts=128,
    judged=500,
    sweep_texts=64,
    stream=100,
    server_steps=3,
    server_seconds=1.0,
    soak_calls=100,
    plain=False,
    parts=False,
)
# Thirty systems, each of which takes seconds to start, have to be done in under 40 minutes; all get the same.
WITH_PEERS = replace(FULL, sittings=3, rounds=2, texts=192, server_steps=3, soak_calls=60)
QUICK_WITH_PEERS = replace(QUICK, sittings=3, rounds=3)
