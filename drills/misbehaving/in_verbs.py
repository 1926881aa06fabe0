"""Misbehaviour in one of the host's verbs: it never returns, takes long, raises, or ends the process."""

from __future__ import annotations

import functools
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.misbehaving.ways import Way

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierhost.drills.misbehaving.ways import Tell
    from tierhost.workers.runtime.contract import StateDriver

VERB: Final = "state_initialize"
COUNTED: Final = "drill-deaths"
"""A file in the driver's run directory: how often it has died already."""


class OnPurpose(RuntimeError):
    """Raised by a program that misbehaves."""


def _before(base: type[StateDriver], options: Mapping[str, Any], first: Callable[[Any], None]) -> dict[str, Any]:
    """Do something before a verb (the option `verb`) of the driver."""
    verb = options.get("verb", VERB)
    real = getattr(base, verb)

    @functools.wraps(real)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        first(self)
        return real(self, *args, **kwargs)

    return {verb: wrapped}


def _hangs(base: type[StateDriver], options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def first(_: Any) -> None:
        tell(f"hangs in {options.get('verb', VERB)}")
        threading.Event().wait()

    return _before(base, options, first)


def _slow(base: type[StateDriver], options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def first(_: Any) -> None:
        tell(f"takes its time for {options.get('verb', VERB)}")
        threading.Event().wait(float(options.get("seconds", 1.0)))

    return _before(base, options, first)


def _raises(base: type[StateDriver], options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def first(_: Any) -> None:
        tell(f"raises in {options.get('verb', VERB)}")
        raise OnPurpose("on purpose")

    return _before(base, options, first)


def _dies(base: type[StateDriver], options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def first(self: Any) -> None:
        counted = Path(self.context.run_dir) / COUNTED
        deaths = int(counted.read_text()) if counted.exists() else 0
        if deaths < int(options.get("times", 1)):
            counted.write_text(str(deaths + 1))
            tell(f"dies in {options.get('verb', VERB)}, for the {deaths + 1}. time")
            os._exit(int(options.get("code", 7)))

    return _before(base, options, first)


WAYS: Final = (
    Way("hangs-in-verb", "one verb never returns", _hangs, options={"verb": VERB}),
    Way("slow-verb", "one verb takes long", _slow, options={"verb": VERB, "seconds": 1.0}),
    Way("raises-in-verb", "one verb raises what it should not", _raises, options={"verb": VERB}),
    Way("dies-in-verb", "the process ends in a verb, so many times", _dies, options={"verb": VERB, "times": 1, "code": 7}),
)
