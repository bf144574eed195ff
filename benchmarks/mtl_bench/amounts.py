"""how thorough -> Amounts: how many processes, rounds and texts a run takes."""

from dataclasses import dataclass

__all__ = ["QUICK", "USUAL", "Amounts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """How much is measured."""

    sittings: int  # fresh processes of each system: mtl compare needs five to see a difference of 15 %
    sittings_with_peers: int  # the same where a table of peers is measured; two at least, for the first one sweeps
    rounds: int  # of each process, interleaved with those of all others
    texts: int  # timed in a pass
    judged: int | None  # texts whose answers are compared; None: all
    sweep_texts: int
    stream: int  # single texts in each process
    server_steps: int  # rates tried; 0: the scenario is left out
    server_seconds: float  # that each rate is offered for, about
    soak_calls: int  # 0: no soak
    parts: bool  # whether the parts beside the table are measured: tasks, roofline, lengths, threads
    part_rounds: int = 0


USUAL = Amounts(
    sittings=5,
    sittings_with_peers=3,
    rounds=3,
    texts=192,
    judged=800,
    sweep_texts=64,
    stream=100,
    server_steps=4,
    server_seconds=1.5,
    soak_calls=60,
    parts=True,
    part_rounds=15,
)
QUICK = Amounts(
    sittings=5,
    sittings_with_peers=3,
    rounds=4,
    texts=128,
    judged=500,
    sweep_texts=64,
    stream=100,
    server_steps=3,
    server_seconds=1.0,
    soak_calls=100,
    parts=False,
)
