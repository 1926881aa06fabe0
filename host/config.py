"""The configuration file: TOML in, frozen and checked values out; every mistake with its file and line."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from tierhost.host.core.spec import VERB_LIMITS_S, Policy
from tierhost.ipc.fields import is_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tierhost.ipc.paths import Root

CONFIG_BYTES_MAX = 1 << 20
VERBS = tuple(verb.removeprefix("state_") for verb in VERB_LIMITS_S)
TIERS_DEFAULT = ("libvirt", "hypervisor")
SPARES_MAX = 64
SECONDS_MAX = 86_400


class BadConfig(ValueError):
    """Raised when the configuration cannot be used. The text has one line per mistake: `file:line: key: what`."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line of `tierhost up` said."""

    root: Root
    flat: bool = False
    drivers_dirs: tuple[Path, ...] = ()
    config_file: Path | None = None
    ready_fd: int | None = None
    progress: bool = False


@dataclass(frozen=True, slots=True)
class DriverConfig:
    """What the configuration says of one driver; None leaves the word to its manifest."""

    enabled: bool = True
    required: bool | None = None
    tier: str | None = None
    warm: bool | None = None
    limits_s: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration, checked."""

    tiers: tuple[str, ...] = TIERS_DEFAULT
    built_in: tuple[str, ...] | None = None
    """Which of tierhost's own drivers there are; None: all of them."""

    spares: int = 2
    orphan_grace_s: float = 60.0
    policy: Policy = field(default_factory=Policy)
    drivers: Mapping[str, DriverConfig] = field(default_factory=dict)

    def driver(self, name: str) -> DriverConfig:
        """What is configured for a driver; the defaults if nothing is."""
        return self.drivers.get(name, DriverConfig())


@dataclass(slots=True)
class _Reading:
    """One pass over a parsed file: collects every mistake before it complains."""

    path: Path
    text: str
    mistakes: list[str] = field(default_factory=list)

    def mistake(self, keys: tuple[str, ...], what: str) -> None:
        self.mistakes.append(f"{self.path}:{_line_of(self.text, keys)}: {'.'.join(keys)}: {what}")

    def table(self, raw: Any, keys: tuple[str, ...], known: Mapping[str, Callable[[Any], str]]) -> dict[str, Any]:
        """Keep the entries of `raw` that are known and right; a check returns what is wrong, or nothing."""
        if not isinstance(raw, dict):
            self.mistake(keys, f"expected a table, got {raw!r}")
            return {}
        good = {}
        for key, value in raw.items():
            wrong = known[key](value) if key in known else f"unknown key (known: {', '.join(known)})"
            if wrong:
                self.mistake((*keys, key), wrong)
            else:
                good[key] = value
        return good


def load(path: Path) -> Config:
    """Read and check a configuration file. Raises BadConfig with all its mistakes, or OSError."""
    data = path.read_bytes()
    if len(data) > CONFIG_BYTES_MAX:
        message = f"{path}:1: the file has {len(data)} bytes, the limit is {CONFIG_BYTES_MAX}"
        raise BadConfig(message)
    try:
        text = data.decode()
        raw = tomllib.loads(text)
    except ValueError as error:
        message = f"{path}:{_line_of_error(data, error)}: not TOML: {error}"
        raise BadConfig(message) from None
    reading = _Reading(path, text)
    config = _config(reading, raw)
    if reading.mistakes:
        raise BadConfig("\n".join(reading.mistakes))
    return config


def _config(reading: _Reading, raw: dict[str, Any]) -> Config:
    good = reading.table(
        raw,
        (),
        {
            "tiers": _names,
            "built_in": lambda value: "" if value == [] else _names(value),
            "spares": lambda value: _whole(value, 0, SPARES_MAX),
            "orphan_grace_s": _seconds,
            "restart": _any,
            "liveness": _any,
            "drivers": _any,
        },
    )
    policy = Policy()
    for section in ("restart", "liveness"):
        if section in good:
            known: dict[str, Callable[[Any], str]] = {
                name: check for name, (part, check) in POLICY_KEYS.items() if part == section
            }
            policy = replace(policy, **reading.table(good[section], (section,), known))
    drivers = {}
    for name, part in _items(reading, good.get("drivers", {}), ("drivers",)):
        drivers[name] = _driver(reading, part, ("drivers", name), tuple(good.get("tiers", TIERS_DEFAULT)))
    plain = {key: good[key] for key in ("spares", "orphan_grace_s") if key in good}
    built_in = tuple(good["built_in"]) if "built_in" in good else None
    return Config(tiers=tuple(good.get("tiers", TIERS_DEFAULT)), built_in=built_in, policy=policy, drivers=drivers, **plain)


def _driver(reading: _Reading, raw: Any, keys: tuple[str, ...], tiers: tuple[str, ...]) -> DriverConfig:
    def tier(value: Any) -> str:
        return "" if value in tiers else f"no such tier (tiers: {', '.join(tiers)}), got {value!r}"

    good = reading.table(
        raw,
        keys,
        {"enabled": _flag, "required": _flag, "tier": tier, "warm": _flag, "limits_s": _limits, "options": _options},
    )
    return DriverConfig(**good)


def _items(reading: _Reading, raw: Any, keys: tuple[str, ...]) -> list[tuple[str, Any]]:
    if isinstance(raw, dict):
        return list(raw.items())
    reading.mistake(keys, f"expected a table, got {raw!r}")
    return []


def _any(_: Any) -> str:
    return ""


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else f"expected true or false, got {value!r}"


def _map(value: Any) -> str:
    return "" if isinstance(value, dict) else f"expected a table, got {value!r}"


def _options(value: Any) -> str:
    # They travel to the worker, where TOML's dates and infinities have no form.
    travels = isinstance(value, dict) and is_value(value)
    return _map(value) or ("" if travels else f"expected text, numbers, flags, lists and tables, got {value!r:.200}")


def _seconds(value: Any) -> str:
    right = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= SECONDS_MAX
    return "" if right else f"expected seconds from 0 to {SECONDS_MAX}, got {value!r}"


def _whole(value: Any, low: int, high: int) -> str:
    right = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    return "" if right else f"expected a whole number from {low} to {high}, got {value!r}"


def _count(value: Any) -> str:
    return _whole(value, 1, 100_000)


def _names(value: Any) -> str:
    right = (
        isinstance(value, list)
        and value
        and all(isinstance(name, str) and name for name in value)
        and len(set(value)) == len(value)
    )
    return "" if right else f"expected a list of different names, got {value!r}"


def _limits(value: Any) -> str:
    if not isinstance(value, dict):
        return _map(value)
    wrong = [f"{verb}: unknown verb (known: {', '.join(VERBS)})" for verb in value if verb not in VERBS]
    wrong += [f"{verb}: {_seconds(limit)}" for verb, limit in value.items() if _seconds(limit)]
    return "; ".join(wrong)


POLICY_KEYS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "intensity_max": ("restart", _count),
    "intensity_period_s": ("restart", _seconds),
    "backoff_first_s": ("restart", _seconds),
    "backoff_max_s": ("restart", _seconds),
    "greet_s": ("restart", _seconds),
    "evict_s": ("restart", _seconds),
    "adopt_s": ("restart", _seconds),
    "patience_stopped_s": ("liveness", _seconds),
    "patience_s": ("liveness", _seconds),
}


def policy_fields() -> set[str]:
    """Names of all policy fields, for the check that each has a key or is internal on purpose."""
    return {item.name for item in fields(Policy)}


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    """Find the line of a key: the first prefix of the file that parses and has it. No TOML library keeps lines."""
    lines = text.splitlines()
    for count in range(1, len(lines) + 1):
        try:
            node: Any = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
        for key in keys:
            if not isinstance(node, dict) or key not in node:
                break
            node = node[key]
        else:
            return count
    return 1


def _line_of_error(data: bytes, error: ValueError) -> int:
    """Find the line of what is no TOML, or no text. The parser says it in words only."""
    if isinstance(error, UnicodeDecodeError):
        return data.count(b"\n", 0, error.start) + 1
    said = re.search(r"at line (\d+)", str(error))
    return int(said[1]) if said else len(data.splitlines()) or 1
