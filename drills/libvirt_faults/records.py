"""Two faults around what is on record: pools that were stopped, and secrets that need not survive a reboot, but a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.drills.libvirt_faults import definitions
from tierhost.drills.libvirt_faults.seen import Seen
from tierhost.drills.libvirt_faults.sides import ask
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from tierhost.drills.libvirt_faults.sides import OpenSide, Side

STOPPED: Final = "a crash after pools were stopped"
LOST: Final = "a crash with ephemeral secrets set"


def stopped_pools(open_side: OpenSide, count: int) -> Seen:
    """Start and stop pools, crash, start again: a pool that was stopped is to be stopped."""
    with open_side() as side:
        names = [f"stopped-{number}" for number in range(count)]
        for name in names:
            ask(side, "storage.storage_pool_define_xml", definitions.pool(name, side.folder / name))
            ask(side, "storage.storage_pool_create", name, 1)
            ask(side, "storage.storage_pool_destroy", name)
        before = side.target.look("before").objects["pools"]
        side.crash()
        side.target.start()
        after = side.target.look("after").objects["pools"]
        acknowledged = [name for name in names if before[name]["state"] == "inactive"]
        active = [name for name in acknowledged if after.get(name, {}).get("state") != "inactive"]
        evidence = tuple(f"{name}: stopped, and after the restart {after.get(name, {}).get('state')}" for name in acknowledged)
        return Seen(STOPPED, side.name, len(active), len(acknowledged), "stopped pools active again", evidence)


def ephemeral_secrets(open_side: OpenSide, count: int) -> Seen:
    """Define ephemeral secrets with values, crash, start again: there was no reboot, so they are to be there."""
    with open_side() as side:
        values = {}
        for number in range(count):
            uuid = ask(side, "secret.secret_define_xml", definitions.secret(f"secret-{number}"))["uuid"]
            values[uuid] = f"value {number}".encode()
            ask(side, "secret.secret_set_value", uuid, values[uuid])
        held = [uuid for uuid, value in values.items() if _value(side, uuid) == value]
        side.crash()
        side.target.start()
        lost = [uuid for uuid in held if _value(side, uuid) != values[uuid]]
        evidence = tuple(f"{uuid}: {'lost' if uuid in lost else 'has its value'}" for uuid in held)
        return Seen(LOST, side.name, len(lost), len(held), "ephemeral secrets lost", evidence)


def _value(side: Side, uuid: str) -> bytes | None:
    """Return a secret's value, None when it has none. It goes nowhere but into a comparison."""
    try:
        value = ask(side, "secret.secret_get_value", uuid)
    except TierhostError:
        return None
    return value if isinstance(value, bytes) else None
