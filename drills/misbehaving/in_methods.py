"""Misbehaviour in a method that is called: it takes long, never returns, raises, ends the process, or answers nonsense."""

from __future__ import annotations

import functools
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.misbehaving.in_verbs import OnPurpose
from tierhost.drills.misbehaving.ways import Way
from tierhost.workers.runtime.loading import offers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierhost.drills.misbehaving.ways import Tell
    from tierhost.workers.runtime.contract import StateDriver


def _around(base: type[StateDriver], options: Mapping[str, Any], act: Callable[[str, Callable[[], Any]], Any]) -> dict[str, Any]:
    """Put something around one method (the option `method`), or around each that is offered."""
    only = options.get("method", "")
    return {name: _wrapped(name, getattr(base, name), act) for name in offers(base) if only in {"", name}}


def _wrapped(name: str, real: Any, act: Callable[[str, Callable[[], Any]], Any]) -> Any:
    @functools.wraps(real)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        return act(name, functools.partial(real, self, *args, **kwargs))

    return wrapped


def _slow(base: type[StateDriver], options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def act(name: str, real: Callable[[], Any]) -> Any:
        tell(f"takes its time for {name}")
        threading.Event().wait(float(options.get("seconds", 1.0)))
        return real()

    return _around(base, options, act)


def _hangs(base: type[StateDriver], options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def act(name: str, _: Callable[[], Any]) -> Any:
        tell(f"hangs in {name}")
        threading.Event().wait()

    return _around(base, options, act)


def _raises(base: type[StateDriver], options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def act(name: str, _: Callable[[], Any]) -> Any:
        tell(f"raises in {name}")
        raise OnPurpose("on purpose")

    return _around(base, options, act)


def _dies(base: type[StateDriver], options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def act(name: str, real: Callable[[], Any]) -> Any:
        if options.get("after", False):
            real()
        tell(f"dies in {name}")
        os._exit(int(options.get("code", 7)))

    return _around(base, options, act)


def _nonsense(base: type[StateDriver], options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def act(name: str, _: Callable[[], Any]) -> Any:
        tell(f"answers nonsense to {name}")
        return {name: object()}

    return _around(base, options, act)


WAYS: Final = (
    Way("slow-method", "a method takes long", _slow, at_once=False, options={"method": "", "seconds": 1.0}),
    Way("hangs-in-method", "a method never returns", _hangs, at_once=False, options={"method": ""}),
    Way("raises-in-method", "a method raises what it should not", _raises, at_once=False, options={"method": ""}),
    Way(
        "dies-in-method",
        "the process ends in a method, before or after it did what it should",
        _dies,
        at_once=False,
        options={"method": "", "after": False, "code": 7},
    ),
    Way("answers-nonsense", "a method answers what cannot travel", _nonsense, at_once=False, options={"method": ""}),
)
