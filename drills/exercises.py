"""What a driver says drills may do with it: `exercises.toml` in its folder, read, checked, and filled in with names.

Calls are `[method, argument, ...]` of that driver; in texts, {tag}, {uuid} and {folder} stand for one drill's own name, uuid
and directory, {answer.KEY} for what an earlier call of it answered, and `{ bytes = "..." }` is bytes. A service, which only
workers may call, gets its arguments by name, in a table.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.host import catalog
from tierhost.host.config import Config
from tierhost.ipc.errors import Code, TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FILE: Final = "exercises.toml"
KEYS: Final[Mapping[str, type]] = {
    "view": list,
    "clear": list,
    "onlooker": list,
    "states": dict,
    "operation": list,
    "netns": bool,
    "beside": list,
    "damage": list,
    "list": list,
}
OPERATION_KEYS: Final[Mapping[str, type]] = {"name": str, "call": list, "from": str, "changes": bool, "needs_root": bool}
DEFINED: Final = "defined"
ACTIVE: Final = "active"
"""The states by these names are used by everybody: an object that is known, and one that does what it is for."""


class BadExercises(TierhostError):
    """Raised when an exercises.toml cannot be used; names file and key."""

    code = Code.INVALID_ARG


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the driver, with the names still to be filled in."""

    method: str
    args: tuple[Any, ...]

    def fill(self, names: Mapping[str, str]) -> tuple[Any, ...]:
        """Return its arguments for one drill."""
        return tuple(_filled(arg, names) for arg in self.args)


@dataclass(frozen=True, slots=True)
class Exercise:
    """One operation: `state` is what is prepared before ("" for nothing)."""

    name: str
    call: Call
    state: str = ""
    changes: bool = True
    needs_root: bool = False


@dataclass(frozen=True, slots=True)
class Exercises:
    """One driver's. `view` asks for all there is to see of its object, `clear` takes it away, however far it got.

    `netns`: its host is to run in a network namespace of its own. `beside` names drivers that must be there too. `damage` are
    the states of the objects whose files are damaged, in turn; `listed` ("list" in the file) asks for all objects there are.
    """

    driver: str
    view: tuple[Call, ...]
    clear: tuple[Call, ...] = ()
    onlooker: Call | None = None
    states: Mapping[str, tuple[Call, ...]] = field(default_factory=dict)
    operations: tuple[Exercise, ...] = ()
    netns: bool = False
    beside: tuple[str, ...] = ()
    services: frozenset[str] = frozenset()
    damage: tuple[str, ...] = ()
    listed: tuple[Call, ...] = ()

    @property
    def drivers(self) -> tuple[str, ...]:
        """Whom a host needs for them."""
        return (*self.beside, self.driver)

    def furthest(self, *, netns: bool) -> tuple[Call, ...]:
        """The calls to the furthest state that may be reached here (`netns`: in a network namespace of our own)."""
        if ACTIVE in self.states and (netns or not self.netns):
            return self.states[ACTIVE]
        return self.states.get(DEFINED, ())


def _filled(arg: Any, names: Mapping[str, str]) -> Any:
    if isinstance(arg, str):
        for name, value in names.items():
            arg = arg.replace(f"{{{name}}}", value)
        return arg
    if isinstance(arg, dict) and set(arg) == {"bytes"}:
        return str(_filled(arg["bytes"], names)).encode()
    if isinstance(arg, dict):
        return {key: _filled(value, names) for key, value in arg.items()}
    return [_filled(value, names) for value in arg] if isinstance(arg, list) else arg


@cache
def found() -> Mapping[str, Exercises]:
    """The exercises of every built-in driver that has some, by its name. Raises BadExercises."""
    manifests = catalog.read(Config()).drivers.values()
    return {
        manifest.name: read(Path(manifest.folder) / FILE, manifest.name, manifest.provides)
        for manifest in manifests
        if manifest.folder and (Path(manifest.folder) / FILE).is_file()
    }


def read(path: Path, driver: str, services: tuple[str, ...] = ()) -> Exercises:
    """Read one file. Raises BadExercises."""
    reading = _Reading(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise reading.bad("", f"cannot be read: {error}") from None
    reading.check(raw, KEYS, "")
    states = {str(name): reading.calls(calls, f"states.{name}") for name, calls in raw.get("states", {}).items()}
    return Exercises(
        driver=driver,
        view=reading.calls(raw.get("view", []), "view"),
        clear=reading.calls(raw.get("clear", []), "clear"),
        onlooker=reading.call(raw["onlooker"], "onlooker") if "onlooker" in raw else None,
        states=states,
        operations=tuple(_exercise(reading, one, states) for one in raw.get("operation", [])),
        netns=raw.get("netns", False),
        beside=tuple(map(str, raw.get("beside", []))),
        services=frozenset(services),
        listed=reading.calls(raw.get("list", []), "list"),
        damage=_damage(reading, raw, states),
    )


def _damage(reading: _Reading, raw: Mapping[str, Any], states: Mapping[str, Any]) -> tuple[str, ...]:
    chosen = tuple(raw.get("damage", [name for name in (ACTIVE, DEFINED) if name in states]))
    for state in chosen:
        if state not in states:
            raise reading.bad("damage", f"there is no state {state!r} (there is {', '.join(states) or 'none'})")
    return chosen


def _exercise(reading: _Reading, raw: Any, states: Mapping[str, Any]) -> Exercise:
    where = f"operation {raw.get('name', '')!r}" if isinstance(raw, dict) else "operation"
    reading.check(raw, OPERATION_KEYS, where)
    for key in ("name", "call"):
        if key not in raw:
            raise reading.bad(where, f"'{key}' is missing")
    state = raw.get("from", "")
    if state and state not in states:
        raise reading.bad(where, f"there is no state {state!r} (there is {', '.join(states) or 'none'})")
    call = reading.call(raw["call"], where)
    return Exercise(raw["name"], call, state, raw.get("changes", True), raw.get("needs_root", False))


@dataclass(frozen=True, slots=True)
class _Reading:
    """Says of every mistake in which file it is, and at what."""

    path: Path

    def bad(self, where: str, what: str) -> BadExercises:
        return BadExercises(f"{where}: {what}" if where else what, subject=str(self.path))

    def check(self, raw: Any, known: Mapping[str, type], where: str) -> None:
        if not isinstance(raw, dict):
            raise self.bad(where, f"expected a table, got {raw!r}")
        for key, value in raw.items():
            if key not in known:
                raise self.bad(where, f"unknown key {key!r} (known: {', '.join(known)})")
            if type(value) is not known[key]:
                raise self.bad(where, f"'{key}' is {value!r:.80}, expected a {known[key].__name__}")

    def calls(self, raw: Any, where: str) -> tuple[Call, ...]:
        if not isinstance(raw, list):
            raise self.bad(where, f"expected a list of calls, got {raw!r:.80}")
        return tuple(self.call(one, where) for one in raw)

    def call(self, raw: Any, where: str) -> Call:
        if not isinstance(raw, list) or not raw or not isinstance(raw[0], str):
            raise self.bad(where, f"expected a call, [method, argument, ...], got {raw!r:.80}")
        return Call(raw[0], tuple(raw[1:]))


def perform(calls: tuple[Call, ...], names: Mapping[str, str], call: Callable[..., Any]) -> list[Any]:
    """Make some calls, one after the other; return their answers. Raises what one of them raises."""
    return [call(one.method, *one.fill(names)) for one in calls]
