"""seed -> rows of a small company's support tickets: text, topic (6 classes) and urgency (3 classes).

A ticket is made of a sentence for its topic and one for its urgency, in either order. In the test rows half of the
sentences for the topic and a third of those for the urgency are in no training row, and mostly use other words; the
others are training's in other combinations.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["TOPICS", "URGENCIES", "Ticket", "draw_test_tickets", "draw_train_tickets"]


class Ticket(NamedTuple):
    """One row."""

    text: str
    topic: str
    urgency: str


@dataclass(frozen=True, slots=True)
class _Phrases:
    """Sentences that express one label; {item}, {place} and {number} are filled in."""

    known: tuple[str, ...]
    unseen: tuple[str, ...]  # in test rows alone


class _UnseenShares(NamedTuple):
    """Probability of a sentence that training does not have."""

    topic: float
    urgency: float


TOPICS: Mapping[str, _Phrases] = {
    "billing": _Phrases(
        known=(
            "I was charged twice for the {item}",
            "the invoice of {number} March shows the wrong amount",
            "my credit card was declined although there is money on it",
            "the voucher was not taken off the total",
            "I need an invoice with our VAT number for the {item}",
            "the refund of {number} euros has not reached my account",
            "why is there a fee of {number} euros on my statement",
            "you still bill the old price for the {item}",
            "please change my payment method to bank transfer",
            "I paid but the order still says unpaid",
        ),
        unseen=(
            "{number} euros were taken from my bank twice",
            "the receipt has a different sum than what I agreed to",
            "PayPal refuses the transaction every time",
            "the discount code did nothing at checkout",
            "our bookkeeper wants a corrected bill for the {item}",
        ),
    ),
    "delivery": _Phrases(
        known=(
            "my parcel has not arrived",
            "the tracking page has shown the same status for {number} days",
            "the courier left the {item} with a neighbour I do not know",
            "where is my order with the {item}",
            "please send it to my office in {place} instead",
            "the {item} was sent to my old address",
            "delivery was promised for the {number}th and nobody came",
            "the shipment is stuck in customs in {place}",
            "only one of the two boxes was delivered",
            "can the driver ring before he comes",
        ),
        unseen=(
            "the package seems to be lost somewhere near {place}",
            "DHL says it is still in the depot",
            "nothing was dropped off although the app claims so",
            "I moved to {place}, can you redirect the box",
            "the van drove past my house without stopping",
        ),
    ),
    "returns": _Phrases(
        known=(
            "I want to return the {item}",
            "how do I send the {item} back",
            "the {item} is too small, please exchange it for a larger one",
            "I need a return label for the {item}",
            "you sent the wrong colour, I would like to swap it",
            "I have changed my mind about the {item}",
            "is it still possible to send it back after {number} days",
            "I sent the {item} back and have heard nothing since",
            "who pays the postage if I give it back",
            "it does not fit, can I get another size",
        ),
        unseen=(
            "I do not want to keep the {item}",
            "the shade looks nothing like the photo, take it back please",
            "may I trade it for the bigger model",
            "where do I drop off something I no longer want",
            "the sticker for mailing it to you is missing from the carton",
        ),
    ),
    "defect": _Phrases(
        known=(
            "the {item} does not switch on",
            "the {item} stopped working after {number} days",
            "the screen of the {item} flickers",
            "the {item} makes a loud noise when it runs",
            "the battery of the {item} does not charge",
            "a button on the {item} is broken",
            "the {item} leaks water",
            "the {item} gets far too hot",
            "the zip of the {item} tore on the first day",
            "there is a crack in the {item}",
        ),
        unseen=(
            "the {item} is dead",
            "smoke comes out of the {item}",
            "the hinge snapped off the {item}",
            "it drips from below when I fill it",
            "it rattles and then shuts itself down",
        ),
    ),
    "account": _Phrases(
        known=(
            "I cannot log in",
            "the password reset mail does not come",
            "please delete my account and my data",
            "I want to change the email address of my profile",
            "my account is locked after {number} attempts",
            "how do I turn off the newsletter",
            "the app logs me out every few minutes",
            "somebody else is using my account",
            "I cannot find my past orders in my profile",
            "the confirmation code is rejected",
        ),
        unseen=(
            "signing in fails with my usual credentials",
            "I forgot my passphrase and the link has expired",
            "erase everything you have stored about me",
            "my name is spelled wrong when I am signed in",
            "stop sending me promotional mails",
        ),
    ),
    "advice": _Phrases(
        known=(
            "does the {item} come with a warranty",
            "which {item} would you recommend for a small flat",
            "when will the {item} be in stock again",
            "is the {item} suitable for children",
            "do you have a shop in {place}",
            "what is the difference between the two models of the {item}",
            "does the {item} work with an older phone",
            "can I buy spare parts for the {item}",
            "how long does the battery of the {item} last",
            "is there a manual for the {item} in English",
        ),
        unseen=(
            "I am undecided between two kinds of {item}",
            "will there be more of the sold out {item}",
            "what material is the {item} made of",
            "could I have a look at the {item} somewhere around {place}",
            "would the {item} be all right for a beginner",
        ),
    ),
}

URGENCIES: Mapping[str, _Phrases] = {
    "low": _Phrases(
        known=(
            "there is no hurry",
            "whenever you have time",
            "just asking out of interest",
            "no need to answer today",
            "it can wait until next month",
            "I only wanted to let you know",
            "this is not important",
            "take your time",
            "it is only a small thing",
            "I was just wondering",
            "no problem if it takes a while",
            "it is not urgent",
        ),
        unseen=(
            "no rush at all",
            "I am merely curious",
            "it is a minor matter, really",
            "next week or later is fine with me",
            "do this when things are quiet",
        ),
    ),
    "normal": _Phrases(
        known=(
            "please get back to me this week",
            "I look forward to your reply",
            "could you look into this",
            "thank you for your help",
            "please let me know what to do next",
            "can somebody check this for me",
            "I would be glad about an answer",
            "please tell me how we proceed",
            "many thanks and kind regards",
            "please confirm that you got this message",
            "what do you need from me",
            "please advise",
        ),
        unseen=(
            "kindly have a look at it",
            "what are the next steps",
            "thanks in advance for sorting it out",
            "I hope to hear from you",
            "would you check that, please",
        ),
    ),
    "high": _Phrases(
        known=(
            "I need this solved today",
            "this is the third time I write and nobody answers",
            "we cannot work until this is fixed",
            "call me back immediately",
            "otherwise I will go to a lawyer",
            "this is an emergency",
            "my patience is at an end",
            "I leave tomorrow morning and need it before",
            "this is unacceptable",
            "I have been waiting for weeks and I am furious",
            "answer me now",
            "we are losing customers because of this",
        ),
        unseen=(
            "every hour costs us money",
            "nobody has replied to any of my mails, this is a disgrace",
            "act at once or I shall call the consumer agency",
            "I must have it by tonight",
            "this is extremely urgent",
        ),
    ),
}

_URGENCY_WEIGHTS = (0.25, 0.5, 0.25)  # half of the tickets are of normal urgency
_ITEMS = ("kettle", "headphones", "backpack", "desk lamp", "coffee machine", "rain jacket", "keyboard", "tent")
_PLACES = ("Leeds", "Graz", "Porto", "Utrecht", "Malmo")
_OPENINGS = ("", "", "", "Hello, ", "Hi there, ", "Dear team, ", "Good morning, ")
_BETWEEN = (". ", ". ", ", ", " - ", "; ")
_ENDINGS = (".", ".", "", "!", "...")


def draw_train_tickets(count: int = 400, *, seed: int) -> list[Ticket]:
    """Distinct tickets, to train on and to hold a part of out; topics are about equally frequent, urgencies are not."""
    generator = random.Random(f"train {seed}")  # noqa: S311 - drawn for repeatability, not for secrecy
    return _distinct(_draw(generator, _UnseenShares(topic=0.0, urgency=0.0)), count)


def draw_test_tickets(count: int = 150, *, seed: int, train: Sequence[Ticket] = ()) -> list[Ticket]:
    """Distinct tickets of which none is in ``train``."""
    generator = random.Random(f"test {seed}")  # noqa: S311 - drawn for repeatability, not for secrecy
    return _distinct(_draw(generator, _UnseenShares(topic=0.5, urgency=0.33)), count, other_than=train)


def _draw(generator: random.Random, unseen_shares: _UnseenShares) -> Iterator[Ticket]:
    """Tickets without end."""
    while True:
        topic = generator.choice(list(TOPICS))
        (urgency,) = generator.choices(list(URGENCIES), _URGENCY_WEIGHTS)
        sentences = [
            _sentence(generator, TOPICS[topic], unseen_shares.topic),
            _sentence(generator, URGENCIES[urgency], unseen_shares.urgency),
        ]
        generator.shuffle(sentences)
        opening, between, ending = (generator.choice(parts) for parts in (_OPENINGS, _BETWEEN, _ENDINGS))
        first, second = sentences
        first = first if opening else first[:1].upper() + first[1:]
        second = second[:1].upper() + second[1:] if between.startswith(".") else second
        yield Ticket(f"{opening}{first}{between}{second}{ending}", topic, urgency)


def _sentence(generator: random.Random, phrases: _Phrases, unseen_share: float) -> str:
    template = generator.choice(phrases.unseen if generator.random() < unseen_share else phrases.known)
    return template.format(
        item=generator.choice(_ITEMS), place=generator.choice(_PLACES), number=generator.randint(2, 28)
    )


def _distinct(tickets: Iterator[Ticket], count: int, *, other_than: Sequence[Ticket] = ()) -> list[Ticket]:
    """The first ``count`` tickets whose texts differ from each other's and from those of ``other_than``."""
    seen = {ticket.text for ticket in other_than}
    selected: list[Ticket] = []
    while len(selected) < count:
        ticket = next(tickets)
        if ticket.text not in seen:
            seen.add(ticket.text)
            selected.append(ticket)
    return selected
