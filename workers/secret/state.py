"""What a secret is: its definition from libvirt XML and back, and the rules of redefining it. Pure."""

from __future__ import annotations

import uuid as uuids
from dataclasses import asdict, dataclass
from typing import Any, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.definitions import Element, parse

USAGES: Final = {"volume": "volume", "ceph": "name", "iscsi": "target", "tls": "name", "vtpm": "name"}
"""Usage type -> the element that holds the usage id (libvirt's formatsecret)."""

VALUE_BYTES_MAX: Final = 65_536
"""libvirt's limit for a value (VIR_SECRET_VALUE_MAX in its remote protocol)."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret's definition."""

    uuid: str
    usage_type: str
    usage_id: str
    ephemeral: bool
    private: bool
    description: str
    xml: str

    def row(self) -> dict[str, Any]:
        """As the store keeps it."""
        return asdict(self)


def from_xml(text: str) -> tuple[Secret, list[str]]:
    """Read a definition; also return what in it nobody acts on. Raises BadDefinition or Unsupported."""
    root = parse(text, "secret")
    ephemeral = root.flag("ephemeral", default=False)
    private = root.flag("private", default=False)
    uuid = _uuid(root)
    description = root.child_text("description")
    usage = root.child("usage")
    usage_type, usage_id = ("none", "") if usage is None else _usage(usage)
    return Secret(uuid, usage_type, usage_id, ephemeral, private, description, _with_uuid(root, uuid)), root.unread()


def _uuid(root: Element) -> str:
    given = root.child_text("uuid")
    if not given:
        return str(uuids.uuid4())
    try:
        return str(uuids.UUID(given))
    except ValueError:
        raise root.bad(f"<uuid> is {given!r:.60}, expected a UUID") from None


def _usage(usage: Element) -> tuple[str, str]:
    usage_type = usage.one_of("type", ("none", *USAGES))
    if usage_type == "none":
        return "none", ""
    usage_id = usage.need_child(USAGES[usage_type]).text
    if not usage_id:
        raise usage.bad(f"<{USAGES[usage_type]}> is empty")
    return usage_type, usage_id


def _with_uuid(root: Element, uuid: str) -> str:
    """The definition as it is kept: complete with the uuid it was given."""
    root.set_child_text("uuid", uuid)
    return root.xml()


def check_redefine(old: Secret, new: Secret) -> None:
    """Raise if libvirt would not let `new` take the place of `old`."""
    if (old.usage_type, old.usage_id) != (new.usage_type, new.usage_id):
        reason = f"it is defined for use with {old.usage_type} {old.usage_id}"
        raise DriverError(reason, code=Code.INTERNAL_ERROR, subject=f"secret {old.uuid}", hint="undefine it first")
    if old.private and not new.private:
        reason = "a private secret cannot be made public"
        raise DriverError(reason, code=Code.OPERATION_DENIED, subject=f"secret {old.uuid}", hint="undefine it first")


def association(uuid: str) -> bytes:
    """What a ciphertext is bound to: moved to another secret it does not open."""
    return f"secret:{uuid}:v1".encode()
