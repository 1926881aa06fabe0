"""What the supervisor promises, each by a name, and what a broken one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INVARIANTS: Final = {
    "barrier": "no process and no initialize in a tier before every required driver below is ready or skipped",
    "together": "no auto-start in a tier before every required driver of it has initialized",
    "one body": "no new life before the former body is buried",
    "incarnation": "the number of a new life is above every number used before",
    "announce": "up once per life and only when initialized; down once for every up, at once",
    "auto start": "auto-start is ordered once a life, and never again in a boot in which it was answered",
    "dead life": "orders go to the living life; burial once, to the dead one",
    "one verb": "no verb before the one before it was answered",
    "stale": "words of another life change nothing",
    "isolation": "a life is ended only for what it did itself, or because a person asked",
    "intensity": "more failures than the policy allows end in quarantine, and quarantine ends by a person",
    "deadline": "who does not answer within its limit is evicted",
    "beat": "who does not beat is evicted",
    "stop order": "shutdown goes from the highest tier down, with the verbs of farewell, and starts nothing",
    "end": "the host ends when no body is left, and does nothing after that",
    "inhibit": "a plain shutdown is refused while a driver holds it off, and only then",
    "phases": "published phases follow the table",
    "settles": "without new faults every driver that may run is ready or skipped in bounded time",
}


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise that was broken: which (a key of INVARIANTS), when, and how."""

    invariant: str
    at_s: float
    text: str
