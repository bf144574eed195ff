"""Benchmark runs from a noise model, for tests of their comparison.

A process differs from the next by 2.5 % (standard deviation), its rounds by 2 % more; one round in twenty takes 40 %
longer; and the machine has slow phases, up to 30 %, that hit the reference and whatever else runs.
"""

import dataclasses

import numpy as np

from mtl_bench.results.scenarios import ColdStart, Memory, Offline, SingleStream, SweepPoint
from mtl_bench.results.schema import AnswerScores, Conditions, Report, SystemResult, WorkloadFacts
from mtl_runtime.core.machine import MachineFacts

PROCESSES = 5
ROUNDS = 5
COLD_STARTS = 10
TEXTS = 400

MACHINE = MachineFacts(
    system="Linux",
    architecture="x86_64",
    cpu="Some CPU",
    cpu_flags=("avx2",),
    cores=4,
    cores_by_affinity=2,
    cores_by_cgroup=None,
    cores_allowed=2,
)
# Seconds for a text in a batch, alone, and from start to first answer; bytes.
SYSTEMS = {
    "cpu-fp32": ("ours", 2.6e-3, 4.1e-3, 0.41, 310e6),
    "cpu-int8": ("ours", 1.2e-3, 2.2e-3, 0.33, 180e6),
    "peer": ("peer", 3.9e-3, 6.0e-3, 2.9, 700e6),
}


def noisy_report(seed, *, phases=True, processes=PROCESSES):
    """A run; without ``phases`` the machine is quiet."""
    rng = np.random.default_rng(seed)
    slowness = _slowness(rng, processes * ROUNDS + COLD_STARTS, phases)
    launches, later = slowness[: processes * ROUNDS].reshape(processes, ROUNDS), slowness[processes * ROUNDS :]
    return Report(
        command="mtl bench bundle",
        bundle="bundle",
        digest="a" * 64,
        tasks={"sentiment": "single_label"},
        machine=MACHINE,
        made_with={"onnxruntime": "1.23.0"},
        conditions=Conditions(
            started_at="2025-01-01T00:00:00+00:00", seconds=60, load_before=0.1, steal=0, throttled=None, governor=None
        ),
        workload=WorkloadFacts(
            name="texts",
            texts=TEXTS,
            scored=TEXTS,
            labelled={"sentiment": TEXTS},
            tokens=20 * TEXTS,
            token_quantiles=(3, 8, 18, 40, 90),
            sha256="b" * 64,
        ),
        reference_seconds=_values(0.05 * launches * _noise(rng, 0.01, launches.shape)),
        systems={name: _system(rng, name, *figures, launches, later) for name, figures in SYSTEMS.items()},
    )


def slowed(report, name, factor):
    """``report`` with every time of one system multiplied."""
    row = report.systems[name]
    row = dataclasses.replace(
        row,
        offline=row.offline and dataclasses.replace(row.offline, seconds=_times(row.offline.seconds, factor)),
        single_stream=row.single_stream and SingleStream(latencies=_times(row.single_stream.latencies, factor)),
        cold_start=row.cold_start
        and dataclasses.replace(row.cold_start, seconds=_times([row.cold_start.seconds], factor)[0]),
    )
    return with_rows(report, **{name: row})


def on_slower_machine(report, factor):
    """``report`` as a machine would have made it that takes ``factor`` times as long for everything."""
    for name in report.systems:
        report = slowed(report, name, factor)
    return dataclasses.replace(report, reference_seconds=_times(report.reference_seconds, factor))


def with_rows(report, **rows):
    """``report`` with some rows replaced; None takes one away."""
    rows = {**report.systems, **{name.replace("_", "-"): row for name, row in rows.items()}}
    return dataclasses.replace(report, systems={name: row for name, row in rows.items() if row is not None})


def _system(rng, name, kind, offline, alone, start, memory, launches, later):
    of_process = _noise(rng, 0.025, (len(launches), 1))
    rounds = offline * TEXTS * launches * of_process * _noise(rng, 0.02, launches.shape)
    rounds *= np.where(rng.random(rounds.shape) < 0.05, 1.4, 1)
    texts = alone * launches[:, -1:] * of_process * _noise(rng, 0.15, (len(launches), 60))
    starts = start * later * _noise(rng, 0.03, later.shape) * np.where(rng.random(later.shape) < 0.05, 1.4, 1)
    return SystemResult(
        title=name,
        kind=kind,
        command=f"mtl bench bundle --only {name}",
        provider="cpu" if kind == "ours" else None,
        answers=AnswerScores(
            agreement={"sentiment": 0.99}, metrics={"sentiment": {"accuracy": 0.81, "macro_f1": 0.78}}
        ),
        offline=Offline(
            texts=TEXTS,
            unit="tokens",
            size=4096,
            sweep=(SweepPoint(size=4096, texts_per_second=1 / offline),),
            seconds=_values(rounds),
        ),
        single_stream=SingleStream(latencies=_values(texts)),
        cold_start=ColdStart(seconds=_values([starts])[0], load_seconds=_values([starts / 2])[0]),
        memory=Memory(
            loaded=(int(memory / 2),) * len(launches),
            peak=tuple(int(size) for size in memory * _noise(rng, 0.01, len(launches))),
        ),
    )


def _slowness(rng, moments, phases):
    """By moment, 1 or more: phases begin at random, keep their depth, and last four moments on average."""
    slowness = np.ones(moments)
    for moment in range(1, moments if phases else 0):
        goes_on = slowness[moment - 1] > 1 and rng.random() < 0.75
        begins = rng.random() < 0.1
        slowness[moment] = slowness[moment - 1] if goes_on else rng.uniform(1, 1.3) if begins else 1
    return slowness


def _noise(rng, deviation, shape):
    return np.exp(rng.normal(0, deviation, shape))


def _times(values, factor):
    return _values(factor * np.asarray(row) for row in values)


def _values(rows):
    return tuple(tuple(float(value) for value in row) for row in rows)
