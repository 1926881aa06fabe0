"""Asks every driver for all it has: the `objects` of a look, by libvirt's method names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.recording import jsonable
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.ipc.client import Client

Objects = dict[str, dict[str, Any]]
ANSWER_LIMIT_S: Final = 5.0
"""One call of a look: a driver that hangs must not take the look with it."""


def objects_of(client: Client) -> Objects:
    """Return secrets, pools, volumes and guests; a kind whose driver does not answer is missing."""
    found: Objects = {}
    for kind, gather in _KINDS.items():
        try:
            found[kind] = gather(client)
        except TierhostError:
            continue
    return found


def _ask(client: Client, method: str, *args: Any) -> Any:
    return client.call(method, *args, changes=False, deadline_s=ANSWER_LIMIT_S)


def _secrets(client: Client) -> dict[str, Any]:
    """Values appear as digests, and only of secrets that anybody may read."""
    found = {}
    for row in _ask(client, "secret.secret_list"):
        seen = dict(jsonable(row))
        if row["has_value"] and not row["private"]:
            seen["value"] = jsonable(_ask(client, "secret.secret_get_value", row["uuid"]))
        found[row["uuid"]] = seen
    return found


def _pools(client: Client) -> dict[str, Any]:
    return {row["name"]: jsonable(row) for row in _ask(client, "storage.storage_pool_list")}


def _volumes(client: Client) -> dict[str, Any]:
    found = {}
    for pool in _ask(client, "storage.storage_pool_list"):
        if pool["state"] != "active":
            continue
        for row in _ask(client, "storage.storage_vol_list", pool["name"]):
            facts = _ask(client, "storage.storage_vol_get_info", pool["name"], row["name"])
            found[f"{pool['name']}/{row['name']}"] = jsonable({**row, **facts})
    return found


def _guests(client: Client) -> dict[str, Any]:
    return {row["name"]: jsonable(row) for row in _ask(client, "qemu.domain_list")}


_KINDS: Final[dict[str, Callable[[Client], dict[str, Any]]]] = {
    "secrets": _secrets,
    "pools": _pools,
    "volumes": _volumes,
    "guests": _guests,
}
