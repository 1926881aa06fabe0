"""The judges: each holds one promise of the contract against a driver, and says what is wrong. An empty list is an acquittal."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from tierhost.ipc.errors import DriverBug, NoSuchMethod, TierhostError
from tierhost.workers.runtime.contract import STATE_VERBS, InitResult, StateDriver
from tierhost.workers.runtime.guard import guarded
from tierhost.workers.runtime.loading import offers
from tierhost.workers.runtime.testing import live

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tierhost.host.catalog import Manifest
    from tierhost.workers.runtime.testing import LifeInTest

README_SECTIONS = ("**Owns**", "**Needs**", "**How it fails.**", "**What others notice**")
DEEP_LEVELS = 12
HUGE_CHARS = 1 << 20


def deep() -> Any:
    """Nest a list nearly as deep as may travel."""
    value: Any = "the ground"
    for _ in range(DEEP_LEVELS):
        value = [value]
    return value


HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 1 << 62, 1.5, float("nan"), "", "\0", "../../../etc/passwd", "<a", "<a/>"),
    *("'; DROP TABLE rows; --", "\ud7ff\U0010ffff" * 50, b"\xff\x00" * 50, [], [[]], {}, {"": None}, list(range(1000))),
    *(deep(), "x" * HUGE_CHARS, b"x" * HUGE_CHARS, "<a>" * 10_000),
)
"""What a caller may send that no driver expects."""


def read_me(folder: Path, name: str) -> list[str]:
    """Whoever has to live with the driver finds what it owns, needs and does when it fails."""
    path = folder / "README.md"
    if not path.is_file():
        return ["README.md is missing"]
    text = path.read_text()
    wrong = [] if text.startswith(f"# {name}\n") else [f"README.md does not begin with '# {name}'"]
    return wrong + [f"README.md does not say {section}" for section in README_SECTIONS if section not in text]


def manifest(found: Manifest) -> list[str]:
    """What the catalog let through may still say nothing."""
    wrong = [] if found.summary else ["the manifest has no summary"]
    if any(f"{found.name}.{service}" in found.needs for service in found.provides):
        wrong.append("it needs itself")
    known = {verb.removeprefix("state_") for verb in STATE_VERBS}
    return wrong + [f"limits_s.{verb} is no verb" for verb in found.limits_s if verb not in known]


def snapshot(driver: type[StateDriver], call: Callable[[str], Any]) -> dict[str, Any]:
    """What every read without arguments answers: the acknowledged state, as far as anybody can see it."""
    asked = {}
    for name, exposure in offers(driver).items():
        if exposure.changes or exposure.service:
            continue
        parameters = list(inspect.signature(getattr(driver, name)).parameters.values())[1:]
        if all(parameter.default is not parameter.empty for parameter in parameters):
            asked[name] = call(name)
    return asked


def lives(driver: type[StateDriver], folder: Path, work: Callable[[LifeInTest], Any]) -> list[str]:
    """After a crash the next life, and the one after it, show what the first one showed when it died."""
    shown = []
    for number in (1, 2, 3):
        with live(driver, folder, incarnation=number) as life:
            if number == 1:
                work(life)
            shown.append((life.driver.objects(), snapshot(driver, life.call)))
    return [f"life {number} shows {after}, not {shown[0]}" for number, after in enumerate(shown[1:], 2) if after != shown[0]]


def endings(driver: type[StateDriver], folder: Path) -> list[str]:
    """Every verb of the way down works on an idle driver; cleanup may come twice, and before anything was initialized."""
    wrong = []
    with live(driver, folder) as life:
        for verb in (*STATE_VERBS[1:], "state_cleanup"):
            error = guarded(verb, getattr(life.driver, verb)).error
            wrong += [] if error is None else [str(error)]
    with live(driver, folder) as life:
        if life.outcome is InitResult.FAILED:
            wrong.append("state_initialize failed after a cleanup")
    return wrong


def manners(driver: type[StateDriver], call: Callable[..., Any]) -> list[str]:
    """Whatever a caller sends, the answer is a value or a typed error that is the caller's, never the driver's own bug."""
    wrong = []
    for name in ("no_such_method", "", *(set(dir(driver)) - offers(driver).keys())):
        wrong += _let_in(name, call)
    for name in sorted(offers(driver)):
        parameters = len(inspect.signature(getattr(driver, name)).parameters) - 1
        for count in {0, 1, parameters, parameters + 1}:
            for value in HOSTILE:
                wrong += _bug(f"{name} with {count} times {value!r:.30}", call, name, *[value] * count)
        wrong += _bug(f"{name} with an unknown keyword", call, name, no_such_argument=1)
    return wrong


def _let_in(name: str, call: Callable[..., Any]) -> list[str]:
    try:
        call(name)
    except NoSuchMethod:
        return []
    except TierhostError as error:
        return [f"{name!r} is not offered, and was refused with {type(error).__name__}: {error}"]
    return [f"{name!r} is not offered, and was answered"]


def _bug(what: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> list[str]:
    try:
        call(*args, **kwargs)
    except DriverBug as bug:
        return [f"{what}: {bug}"]
    except TierhostError as error:
        return [] if error.text else [f"{what}: an error without a text"]
    return []
