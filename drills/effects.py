"""What an acknowledged call leaves behind: for every changing method, the facts that are so from then on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tierhost.ipc.errors import TierhostError
from tierhost.workers.runtime.definitions import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierhost.drills.history import Call, Look

Fact: TypeAlias = tuple[str, str, str]
"""Kind ("pools"), name, and what of it ("active")."""

ANYTHING: Final = "anything"
"""A value that nobody can foretell: what the guest itself decides, say."""

TRANSIENT_FLAG_DELTA: Final = 2


@dataclass(slots=True)
class Names:
    """Calls say name or uuid, looks have one of them as their key: this knows both."""

    _by_alias: dict[tuple[str, str], str] = field(default_factory=dict)

    def learn(self, kind: str, key: str, *aliases: str) -> str:
        """Learn what else a thing is called; return its key."""
        for alias in (key, *aliases):
            if alias:
                self._by_alias[kind, alias] = key
        return key

    def key(self, kind: str, alias: str) -> str:
        """Return the key of a thing."""
        return self._by_alias.get((kind, alias), alias)

    def learn_look(self, look: Look) -> None:
        """Learn from what the drivers list."""
        for kind, rows in look.objects.items():
            for key, row in rows.items():
                if kind != "volumes" and isinstance(row, dict):
                    self.learn(kind, key, str(row.get("name", "")), str(row.get("uuid", "")))


def effects(call: Call, names: Names) -> dict[Fact, Any]:
    """Return the facts that a call makes so, if it is done; none for a question, or a method we do not know."""
    rule = RULES.get(call.method)
    return {} if rule is None else rule(call, names)


def _set(kind: str, **values: Any) -> Callable[[Call, Names], dict[Fact, Any]]:
    def rule(call: Call, names: Names) -> dict[Fact, Any]:
        name = names.key(kind, str(call.args[0]))
        return {(kind, name, what): value for what, value in values.items()}

    return rule


def _flag(kind: str) -> Callable[[Call, Names], dict[Fact, Any]]:
    def rule(call: Call, names: Names) -> dict[Fact, Any]:
        return {(kind, names.key(kind, str(call.args[0])), "autostart"): bool(call.args[1])}

    return rule


def _named_by_xml(kind: str, root: str, **values: Any) -> Callable[[Call, Names], dict[Fact, Any]]:
    def rule(call: Call, names: Names) -> dict[Fact, Any]:
        name, uuid = _identity(call, root)
        key = names.learn(kind, names.key(kind, name or uuid), uuid) if root != "secret" else uuid
        return {(kind, key, what): value for what, value in values.items()} if key else {}

    return rule


def _identity(call: Call, root: str) -> tuple[str, str]:
    """Name and uuid of what a definition defines: from the answer if there is one, else from the XML."""
    answer: Mapping[str, Any] = call.value if isinstance(call.value, dict) else {}
    try:
        element = parse(str(call.args[0]), root)
    except TierhostError:
        return str(answer.get("name", "")), str(answer.get("uuid", ""))
    name, uuid = (element.child_text(each) for each in ("name", "uuid"))
    return str(answer.get("name") or name or ""), str(answer.get("uuid") or uuid or "")


def _volume_made(call: Call, names: Names) -> dict[Fact, Any]:
    answer: Mapping[str, Any] = call.value if isinstance(call.value, dict) else {}
    try:
        name = answer.get("name") or parse(str(call.args[1]), "volume").child_text("name")
    except TierhostError:
        return {}
    return {("volumes", _volume(call, names, str(name)), "there"): True}


def _volume_gone(call: Call, names: Names) -> dict[Fact, Any]:
    return {("volumes", _volume(call, names, str(call.args[1])), "there"): False}


def _volume_resized(call: Call, names: Names) -> dict[Fact, Any]:
    flags = int(call.args[3]) if len(call.args) > 3 else 0  # noqa: PLR2004  # pool, volume, capacity, flags
    capacity = ANYTHING if flags & TRANSIENT_FLAG_DELTA else int(call.args[2])
    return {("volumes", _volume(call, names, str(call.args[1])), "capacity"): capacity}


def _volume(call: Call, names: Names, volume: str) -> str:
    return f"{names.key('pools', str(call.args[0]))}/{volume}"


def _secret_value(call: Call, names: Names) -> dict[Fact, Any]:
    uuid = names.key("secrets", str(call.args[0]))
    return {("secrets", uuid, "has_value"): True, ("secrets", uuid, "value"): call.args[1]}


def _restored(call: Call, names: Names) -> dict[Fact, Any]:
    """Its answer names the guest; without one nobody knows which it would have been."""
    if not isinstance(call.value, str):
        return {}
    name = names.key("guests", call.value)
    return {("guests", name, "running"): True, ("guests", name, "pid"): ANYTHING, ("guests", name, "paused"): ANYTHING}


RULES: Final[Mapping[str, Callable[[Call, Names], dict[Fact, Any]]]] = {
    "secret.secret_define_xml": _named_by_xml("secrets", "secret", there=True),
    "secret.secret_undefine": _set("secrets", there=False, has_value=False, value=None),
    "secret.secret_set_value": _secret_value,
    "storage.storage_pool_define_xml": _named_by_xml("pools", "pool", persistent=True),
    "storage.storage_pool_create_xml": _named_by_xml("pools", "pool", active=True),
    "storage.storage_pool_create": _set("pools", active=True),
    "storage.storage_pool_destroy": _set("pools", active=False),
    "storage.storage_pool_undefine": _set("pools", persistent=False, autostart=False),
    "storage.storage_pool_set_autostart": _flag("pools"),
    "storage.storage_vol_create_xml": _volume_made,
    "storage.storage_vol_create_xml_from": _volume_made,
    "storage.storage_vol_delete": _volume_gone,
    "storage.storage_vol_resize": _volume_resized,
    "qemu.domain_define_xml": _named_by_xml("guests", "domain", persistent=True),
    "qemu.domain_create_xml": _named_by_xml("guests", "domain", running=True, pid=ANYTHING, paused=ANYTHING),
    "qemu.domain_create": _set("guests", running=True, pid=ANYTHING, paused=ANYTHING),
    "qemu.domain_restore": _restored,
    "qemu.domain_destroy": _set("guests", running=False, pid=ANYTHING),
    "qemu.domain_shutdown": _set("guests", running=ANYTHING, pid=ANYTHING),
    "qemu.domain_reboot": _set("guests", running=ANYTHING, pid=ANYTHING),
    "qemu.domain_suspend": _set("guests", paused=True),
    "qemu.domain_resume": _set("guests", paused=False),
    "qemu.domain_save": _set("guests", running=False, pid=ANYTHING),
    "qemu.domain_managed_save": _set("guests", running=False, pid=ANYTHING),
    "qemu.domain_undefine": _set("guests", persistent=False, autostart=False),
    "qemu.domain_set_autostart": _flag("guests"),
}
"""What is not here changes nothing that is compared (`storage_vol_upload`), or is a question."""
