"""Tickets of many requests -> jobs: some texts of each, by turns, so that a long request delays no short one."""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import NamedTuple

from mtl_runtime.server.scheduling.ticket import Ticket
from mtl_runtime.server.served_model import ServedModel

__all__ = ["FairQueue", "Job", "Slice"]

# Of a job's tokens, the part that one request gets at a time while others wait.
_TURN = 4
# Batches of a job at most: texts are sorted by length within a job, so several batches hold less padding than one.
_BATCHES = 4


class Slice(NamedTuple):
    """Consecutive texts of one request."""

    ticket: Ticket
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Job:
    """Texts that one worker computes together, all with one model."""

    model: ServedModel
    slices: tuple[Slice, ...]
    tokens: int  # that they will probably have


class FairQueue:
    """Tickets that wait, by model. The caller holds a lock around every call.

    Models take turns, and so do the requests for one: a turn is a quarter of a job's tokens while others wait (as in
    deficit round robin, Shreedhar and Varghese 1995, but a turn always takes one text, however long).
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[ServedModel, deque[Ticket]] = OrderedDict()
        self.texts = 0
        self.tokens = 0  # that the waiting texts will probably have

    def put(self, ticket: Ticket) -> None:
        """Let a ticket wait for its turn."""
        self._waiting.setdefault(ticket.model, deque()).append(ticket)
        self.texts += len(ticket.texts)
        self.tokens += sum(ticket.tokens)

    @property
    def oldest(self) -> float | None:
        """When the ticket came that waits longest, as :func:`time.monotonic` counts; None: nothing waits."""
        return min((ticket.arrived for tickets in self._waiting.values() for ticket in tickets), default=None)

    def take(self, workers: int) -> tuple[Job | None, list[Ticket]]:
        """The next job (None: nothing waits), and tickets whose deadline passed while they waited.

        Args:
            workers: that share what waits.
        """
        late: list[Ticket] = []
        while self._waiting:
            model, tickets = self._waiting.popitem(last=False)
            job = self._take_from(model, tickets, workers, late)
            if tickets:
                self._waiting[model] = tickets
            if job is not None:
                return job, late
        return None, late

    def _take_from(self, model: ServedModel, tickets: deque[Ticket], workers: int, late: list[Ticket]) -> Job | None:
        batch = model.classifier.settings.execution.max_batch_tokens
        budget = min(max(batch, self.tokens // workers), _BATCHES * batch)
        slices, tokens = [], 0
        while tickets and tokens < budget:
            ticket = tickets.popleft()
            if ticket.is_over or ticket.is_late:
                self._remove(ticket, len(ticket.texts))
                if not ticket.is_over:
                    late.append(ticket)
                continue
            turn = budget - tokens if not tickets else min(budget - tokens, max(1, budget // _TURN))
            start, taken = ticket.taken, self._take_turn(ticket, turn)
            slices.append(Slice(ticket, start, ticket.taken))
            tokens += taken
            if ticket.taken < len(ticket.texts):
                tickets.append(ticket)
        return Job(model, tuple(slices), tokens) if slices else None

    def _take_turn(self, ticket: Ticket, turn: int) -> int:
        """Take texts of ``turn`` tokens, or one; returns their tokens."""
        tokens, stop = ticket.tokens[ticket.taken], ticket.taken + 1
        while stop < len(ticket.texts) and tokens + ticket.tokens[stop] <= turn:
            tokens += ticket.tokens[stop]
            stop += 1
        self._remove(ticket, stop)
        return tokens

    def _remove(self, ticket: Ticket, stop: int) -> None:
        self.texts -= stop - ticket.taken
        self.tokens -= sum(ticket.tokens[ticket.taken : stop])
        ticket.taken = stop
