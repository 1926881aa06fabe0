"""A run in the Trace Event format that Chrome's tracing page and Perfetto open: phases, calls, strikes, looks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.reports.as_json import plain
from tierhost.drills.reports.lanes import lanes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.drills.history import History
    from tierhost.drills.reports.results import Run

US: Final = 1e6
STRIKES, CALLS_FROM = 1, 1000
"""Numbers of tracks: strikes first, then lanes, then the calls to each driver."""

Traced = dict[str, Any]


def render(run: Run) -> str:
    """The file's text: every trial is one process of the trace."""
    events = [event for number, trial in enumerate(run.trials, 1) for event in _trial(number, trial.history)]
    told = {"drill": run.drill.name, "verdict": run.verdict.name, "command": run.command}
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms", "otherData": told}, allow_nan=False) + "\n"


def _trial(process: int, history: History) -> Iterator[Traced]:
    yield _name("process_name", process, 0, f"{history.drill} on {history.target}, seed {history.seed}")
    yield _name("thread_name", process, STRIKES, "strikes")
    for strike in history.strikes:
        if strike.fired_s is None:
            continue
        healed_s = strike.fired_s if strike.healed_s is None else strike.healed_s
        begin_s = strike.fired_s - history.began_s
        args = {"point": strike.point, "proof": strike.proof}
        name = f"{strike.number}: {strike.kind} of {strike.target}"
        yield _whole(process, STRIKES, name, begin_s, healed_s - strike.fired_s, args)
        yield {"ph": "i", "s": "p", "pid": process, "tid": STRIKES, "name": name, "ts": begin_s * US, "cat": "strike"}
    for number, lane in enumerate(lanes_of(history), STRIKES + 1):
        yield _name("thread_name", process, number, lane.name)
        for span in lane.spans:
            yield _whole(process, number, span.text, span.begin_s, span.end_s - span.begin_s, {})
        for mark in (*lane.marks, *lane.failed):
            yield {"ph": "i", "s": "t", "pid": process, "tid": number, "name": mark.text, "ts": mark.at_s * US, "cat": "mark"}
    yield from _calls(process, history)
    for look in history.looks:
        at_us = (look.at_s - history.began_s) * US
        yield {"ph": "i", "s": "p", "pid": process, "tid": STRIKES, "name": f"look {look.label}", "ts": at_us, "cat": "look"}


def _calls(process: int, history: History) -> Iterator[Traced]:
    """Calls overlap, so they are asynchronous events: a pair with one id each."""
    tracks = {driver: CALLS_FROM + number for number, driver in enumerate(sorted({call.driver for call in history.calls}))}
    for driver, track in tracks.items():
        yield _name("thread_name", process, track, f"calls to {driver}")
    for call in history.calls:
        end_s = history.ended_s if call.end_s is None else call.end_s
        shared = {
            "cat": "call",
            "id": f"{process}.{call.number}",
            "pid": process,
            "tid": tracks[call.driver],
            "name": call.method,
        }
        args = {"outcome": call.outcome, "error": call.kind, "args": plain(call.args)}
        yield {"ph": "b", "ts": (call.begin_s - history.began_s) * US, "args": args, **shared}
        yield {"ph": "e", "ts": (end_s - history.began_s) * US, **shared}


def _name(what: str, process: int, track: int, name: str) -> Traced:
    return {"ph": "M", "pid": process, "tid": track, "name": what, "args": {"name": name}}


def _whole(process: int, track: int, name: str, begin_s: float, took_s: float, args: Traced) -> Traced:
    return {
        "ph": "X",
        "pid": process,
        "tid": track,
        "name": name,
        "ts": begin_s * US,
        "dur": max(0.0, took_s) * US,
        "cat": "span",
        "args": args,
    }
