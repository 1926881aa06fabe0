"""A program that dies in the middle of an nwfilter call, at every step in turn, and looks at what the next life makes of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.deaths import DIED, SURVIVED, Steps, in_child, tell
from tests.integration.network.places import Place, run
from tierhost.ipc.errors import TierhostError
from tierhost.workers.nwfilter.driver import NwfilterDriver
from tierhost.workers.nwfilter.vigil import Vigil
from tierhost.workers.runtime import commands
from tierhost.workers.runtime.store import Store
from tierhost.workers.runtime.testing import FakeHost, LifeInTest, live

if TYPE_CHECKING:
    from collections.abc import Callable

CALL: Final = b"the call"
STEPS_MAX: Final = 40
UUID: Final = "7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b09"
OWNER: Final = "7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b01"
MAC: Final = "52:54:00:00:00:01"
TABLE: Final = "table bridge tierhost_nwf_thport"

Call = tuple[str, list[Any], str]


def xml(inside: str) -> str:
    return f"<filter name='mine'><uuid>{UUID}</uuid>{inside}</filter>"


def call(method: str, *args: Any, by: str = "") -> Call:
    return method, list(args), by


class Scene:
    """One call: what was before, and what must be true after it, however often it was made and died."""

    def __init__(self, made: Call, goal: Callable[[LifeInTest], bool], *befores: Call) -> None:
        self.made, self.goal, self.befores = made, goal, befores


def bound(life: LifeInTest) -> list[str]:
    return [row["port_dev"] for row in life.call("nwfilter_binding_list")]


def is_bound(life: LifeInTest) -> bool:
    return bound(life) == ["thport"]


def is_free(life: LifeInTest) -> bool:
    return bound(life) == []


def is_new(life: LifeInTest) -> bool:
    return "no-mac" in life.call("nwfilter_get_xml_desc", "mine") and (is_free(life) or "arp" not in ruleset())


def is_unknown(life: LifeInTest) -> bool:
    return "mine" not in {row["name"] for row in life.call("nwfilter_list")}


def has_address(life: LifeInTest) -> bool:
    return "192.0.2.9" in life.call("nwfilter_binding_get_xml_desc", "thport") and "192.0.2.9" in ruleset()


DEFINE = call("nwfilter_define_xml", xml("<filterref filter='clean-traffic'/>"))
AGAIN = call("nwfilter_define_xml", xml("<filterref filter='no-mac-spoofing'/>"))
BIND = call("bind", "thport", MAC, "mine", {"IP": ["192.0.2.1"]}, OWNER, "web", by="qemu")
OTHER = call("bind", "thport", MAC, "mine", {"IP": ["192.0.2.9"]}, OWNER, "web", by="qemu")
CREATE = call(
    "nwfilter_binding_create_xml",
    f"<filterbinding><owner><name>web</name><uuid>{OWNER}</uuid></owner><portdev name='thport'/><mac address='{MAC}'/>"
    "<filterref filter='mine'><parameter name='IP' value='192.0.2.1'/></filterref></filterbinding>",
)
SCENES: Final = {
    "define": Scene(DEFINE, lambda life: not is_unknown(life)),
    "redefine": Scene(AGAIN, is_new, DEFINE, BIND),
    "undefine": Scene(call("nwfilter_undefine", "mine"), is_unknown, DEFINE),
    "bind": Scene(BIND, is_bound, DEFINE),
    "bind-again": Scene(OTHER, has_address, DEFINE, BIND),
    "create": Scene(CREATE, is_bound, DEFINE),
    "unbind": Scene(call("unbind", "thport", OWNER, by="qemu"), is_free, DEFINE, BIND),
    "delete": Scene(call("nwfilter_binding_delete", "thport"), is_free, DEFINE, CREATE),
}


def ruleset() -> str:
    return run("nft", "list", "ruleset").stdout


def make(life: LifeInTest, wanted: Call, attempt: int = 0) -> None:
    method, args, by = wanted
    if attempt:
        life.call(method, *args, by=by, call_id=CALL, attempt=attempt)
    else:
        life.call(method, *args, by=by)


def die(folder: Path, scene: Scene, after: int) -> int:
    with live(NwfilterDriver, folder) as life:
        for before in scene.befores:
            make(life, before)
        steps = Steps(after)
        steps.after(Store, "_write")
        steps.after(commands, "_await")
        make(life, scene.made, attempt=1)
    return SURVIVED


def find_out(folder: Path, scene: Scene) -> int:
    """The next life: judge what it finds, make the call again as its caller would, and judge again."""
    host = FakeHost()
    with live(NwfilterDriver, folder, incarnation=2, host=host) as life:
        faults = judge(life, host)
        try:
            make(life, scene.made, attempt=2)
        except TierhostError as error:
            faults.append(f"the call cannot be made again: {type(error).__name__}: {error}")
        if not scene.goal(life):
            faults.append(f"in the end there is {life.call('nwfilter_binding_list')} and {ruleset()}")
        faults += judge(life, host)
    tell(json.dumps(faults) + "\n")
    return 0


def judge(life: LifeInTest, host: FakeHost) -> list[str]:
    """What is never true, whenever we died."""
    faults = []
    intents = {**life.context.run.intents(), **life.context.persistent.intents()}
    if intents or host.degraded or host.put_off:
        faults.append(f"left under way: {intents}, degraded: {host.degraded}, put off: {host.put_off}")
    tables = [line for line in ruleset().splitlines() if line.startswith("table")]
    wanted = [f"{TABLE} {{"] if is_bound(life) else []
    if tables != wanted:
        faults.append(f"tables: {tables}, wanted {wanted}")
    if is_bound(life):
        arp = "no-mac" not in life.call("nwfilter_get_xml_desc", "mine")
        if ("arp" in ruleset()) != arp:
            faults.append("the rules are not those of the filter as it is defined")
    return faults


def main() -> int:
    """Die at every step of one scene. Prints one line of JSON for each: the step and its faults."""
    scene = SCENES[sys.argv[1]]
    # one thread only, because it forks; the vigil has tests of its own
    setattr(Vigil, "begin", lambda _: None)  # noqa: B010  # a method is put aside, and mypy would not have it
    for after in range(1, STEPS_MAX):
        folder = Path(tempfile.mkdtemp(prefix="s", dir=sys.argv[2]))
        place = Place()
        try:
            with place.entered():
                ended = in_child(lambda folder=folder, after=after: die(folder, scene, after))  # type: ignore[misc]
                tell(f"{after} {ended} ")
                in_child(lambda folder=folder: find_out(folder, scene))  # type: ignore[misc]
        finally:
            os.close(place.fd)
            shutil.rmtree(folder, ignore_errors=True)
        if ended != DIED:
            return 0 if ended == SURVIVED else 1
    return 1


if __name__ == "__main__":
    sys.exit(main())
