"""Misbehaviour towards the host: it never says hello, speaks garbage, lies about being ready, or floods it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.misbehaving.ways import Way
from tierhost.ipc.codec import encode
from tierhost.ipc.messages import Report
from tierhost.workers.runtime.contract import InitResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.drills.misbehaving.ways import Tell
    from tierhost.workers.runtime.contract import StateDriver

GARBAGE: Final = b"\xff\xfe\xfd"
PAUSE_S: Final = 0.001


def _never_hello(_base: type[StateDriver], _options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    tell("hangs in its import, before it has said anything")
    threading.Event().wait()
    return {}


def _garbage(_base: type[StateDriver], options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    times = int(options.get("times", 1))

    def objects(self: Any) -> dict[str, dict[str, int]]:
        # The host's loop in the worker asks for this: the line belongs to it, and to no thread of ours.
        if self.context.incarnation <= int(options.get("until_life", 1 << 31)):
            line = vars(self.context.later.__self__)["_control"]
            tell("says what is no message")
            for _ in range(times):
                line.send(GARBAGE + os.urandom(13))
        return {}

    return {"objects": objects}


def _for_another(_base: type[StateDriver], _options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def objects(self: Any) -> dict[str, dict[str, int]]:
        context = self.context
        line = vars(context.later.__self__)["_control"]
        tell("reports in the name of a life that is not its own")
        line.send(encode(Report(context.name, context.incarnation + 1, {"lies": {"told": 1}}, {})))
        return {}

    return {"objects": objects}


def _lies(_base: type[StateDriver], _options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def state_initialize(_self: Any, **_: Any) -> InitResult:
        tell("says that it is ready, and has read nothing")
        return InitResult.COMPLETE

    def objects(_self: Any) -> dict[str, dict[str, int]]:
        return {"lies": {"told": 1}}

    return {"state_initialize": state_initialize, "objects": objects}


def _floods(base: type[StateDriver], options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def state_initialize(self: Any, *, privileged: bool, inhibit: Any) -> InitResult:
        done = base.state_initialize(self, privileged=privileged, inhibit=inhibit)
        threading.Thread(target=flood, args=(self.context,), daemon=True).start()
        return done

    def flood(context: Any) -> None:
        tell("floods the host with events")
        rest = threading.Event()
        while True:
            for number in range(int(options.get("at_a_time", 100))):
                context.emit("flood", f"drop {number}", {"size": "x" * 1000})
            rest.wait(PAUSE_S)

    return {"state_initialize": state_initialize}


WAYS: Final = (
    Way("never-says-hello", "the process hangs before its first word", _never_hello),
    Way("speaks-garbage", "it says to the host what is no message", _garbage, options={"times": 1, "until_life": 1 << 31}),
    Way("speaks-for-another-life", "it reports to the host as if it were another life of its driver", _for_another),
    Way("lies-about-ready", "it says that it is ready, and is not", _lies),
    Way("floods", "it tells the host of events without end", _floods, options={"at_a_time": 100}),
)
