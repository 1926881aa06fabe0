"""A fake worker: the body of one life, and the ways in which it can be told to misbehave."""

from __future__ import annotations

from dataclasses import dataclass

from tierhost.host.core.spec import Policy

POLICY = Policy(greet_s=2.0, adopt_s=2.0, evict_s=1.0, patience_s=2.0)
LIMITS_S = {
    "initialize": 2.0,
    "auto_start": 3.0,
    "reload": 2.0,
    "stop": 2.0,
    "shutdown_prepare": 1.0,
    "shutdown_wait": 2.0,
    "cleanup": 1.0,
}

VERBS = (
    "state_initialize",
    "state_auto_start",
    "state_reload",
    "state_stop",
    "state_shutdown_prepare",
    "state_shutdown_wait",
    "state_cleanup",
)
VERB_FAULTS = (
    "dies in a verb",
    "never answers",
    "answers late",
    "fails",
    "skips",
    "answers nonsense",
    "answers another verb",
    "answers twice",
)
START_FAULTS = ("no process", "never greets", "greets late", "greets twice", "greets with a lie", "dies before it greets")


@dataclass(slots=True, eq=False)
class FakeWorker:
    """The body of one life. `guilty`: it was made to misbehave, so the host may end it."""

    driver: str
    incarnation: int
    born: bool = False
    alive: bool = True
    silent_since_s: float | None = None
    stopped: bool = False
    guilty: bool = False
    greeted: bool = False
    adopted: bool = False
    verb: str = ""
    finished: str = ""
    inhibits: bool = False
    hard_to_kill_s: float = 0.0
    hard_to_bury_s: float = 0.0
