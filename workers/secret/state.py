"""What a secret is: its definition from libvirt XML and back, the rules of redefining it, and where it is looked up. Pure."""

from __future__ import annotations

import string
import uuid as uuids
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.definitions import Element, parse, validate

if TYPE_CHECKING:
    from collections.abc import Mapping

USAGES: Final = {"volume": "volume", "ceph": "name", "iscsi": "target", "tls": "name", "vtpm": "name"}
"""Usage type -> the element that holds the usage id (libvirt's formatsecret)."""

VALUE_BYTES_MAX: Final = 65_536
"""libvirt's limit for a value (VIR_SECRET_VALUE_MAX in its remote protocol)."""

USAGE_CHARS_MAX: Final = 4096
UUID_DIGITS: Final = 32

DEFINE_VALIDATE: Final = 1
LIST_FLAGS: Final = {1: ("ephemeral", True), 2: ("ephemeral", False), 4: ("private", True), 8: ("private", False)}
"""virConnectListAllSecretsFlags: which property must have which value."""


class NoSecret(DriverError):
    """Raised when there is no such secret, or it has no value."""

    code = Code.NO_SECRET


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret's definition. `revision` counts its definitions, so that of two records the later one is known."""

    uuid: str
    usage_type: str
    usage_id: str
    ephemeral: bool
    private: bool
    description: str
    xml: str
    revision: int = 1

    @property
    def subject(self) -> str:
        """How errors and events name it."""
        return f"secret {self.uuid}"

    def row(self) -> dict[str, Any]:
        """Return it as the store keeps it."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Secret | None:
        """Read what `row` wrote; None if that is not what this is."""
        try:
            return cls(**row)
        except TypeError:
            return None


@dataclass(frozen=True, slots=True)
class Shelf:
    """Every secret, its ciphertext, and what is wrong with some values. Replaced as a whole: readers need no lock."""

    secrets: Mapping[str, Secret] = field(default_factory=dict)
    sealed: Mapping[str, bytes] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    by_usage: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, secrets: Mapping[str, Secret], sealed: Mapping[str, bytes], broken: Mapping[str, str]) -> Shelf:
        """Put secrets on a shelf and index them by usage."""
        by_usage = {(one.usage_type, one.usage_id): uuid for uuid, one in secrets.items() if one.usage_type != "none"}
        return cls(secrets, sealed, broken, by_usage)

    def with_secret(self, secret: Secret) -> Shelf:
        """Return the shelf with this definition on it."""
        return Shelf.of({**self.secrets, secret.uuid: secret}, self.sealed, self.broken)

    def with_value(self, uuid: str, sealed: bytes) -> Shelf:
        """Return the shelf with this ciphertext, which is known to be good."""
        return replace(self, sealed={**self.sealed, uuid: sealed}, broken=_without(self.broken, uuid))

    def without(self, uuid: str) -> Shelf:
        """Return the shelf without this secret and all that belongs to it."""
        return Shelf.of(_without(self.secrets, uuid), _without(self.sealed, uuid), _without(self.broken, uuid))

    def find(self, uuid: str) -> Secret:
        """Return a secret by its uuid, however that is written. Raises NoSecret."""
        found = self.secrets.get(uuid) if type(uuid) is str else None
        # Most are written as we write them; the others are looked at more closely.
        found = found or self.secrets.get(canonical(uuid) or "")
        if found is None:
            hint = "`tierhost call secret.secret_list` lists them"
            raise NoSecret(f"no secret with matching uuid '{uuid!s:.64}'", subject="secret", hint=hint)
        return found

    def find_by_usage(self, usage_type: str, usage_id: str) -> Secret:
        """Return the secret for one use. Raises NoSecret."""
        uuid = self.by_usage.get((str(usage_type), str(usage_id)))
        if uuid is None:
            reason = f"no secret with matching usage '{usage_type!s:.16} {usage_id!s:.200}'"
            raise NoSecret(reason, subject="secret", hint=f'define one with <usage type="{usage_type!s:.16}">')
        return self.secrets[uuid]

    def admit(self, new: Secret) -> Secret | None:
        """Return the secret whose place `new` takes, if any. Raises DriverError if libvirt would not let it."""
        old = self.secrets.get(new.uuid)
        if old is not None:
            _check_redefine(old, new)
        taken = self.by_usage.get((new.usage_type, new.usage_id))
        if taken not in {None, new.uuid}:
            reason = f"a secret with UUID {taken} is already defined for use with {new.usage_id}"
            raise DriverError(reason, code=Code.INTERNAL_ERROR, subject=new.subject, hint="undefine that one first")
        return old

    def select(self, flags: int) -> list[Secret]:
        """Return the secrets that libvirt's list flags ask for."""
        chosen = list(self.secrets.values())
        for name in ("ephemeral", "private"):
            wanted = {value for flag, (attribute, value) in LIST_FLAGS.items() if flags & flag and attribute == name}
            if wanted:
                chosen = [secret for secret in chosen if getattr(secret, name) in wanted]
        return chosen

    def shown(self, secret: Secret) -> dict[str, Any]:
        """Return what anybody may know of a secret."""
        return {
            "uuid": secret.uuid,
            "usage_type": secret.usage_type,
            "usage_id": secret.usage_id,
            "ephemeral": secret.ephemeral,
            "private": secret.private,
            "description": secret.description,
            "has_value": secret.uuid in self.sealed,
        }


def from_xml(text: str, flags: int = 0) -> tuple[Secret, list[str]]:
    """Read a definition; also return what in it nobody acts on. Raises BadDefinition or Unsupported."""
    known_flags(flags, DEFINE_VALIDATE)
    root = parse(text, "secret")
    if flags & DEFINE_VALIDATE:
        validate(root, "secret")
    ephemeral = root.one_of("ephemeral", ("yes", "no"), "no") == "yes"
    private = root.one_of("private", ("yes", "no"), "no") == "yes"
    uuid = _uuid(root)
    description = root.child_text("description")
    usage = root.child("usage")
    usage_type, usage_id = ("none", "") if usage is None else _usage(usage)
    root.set_child_text("uuid", uuid)
    return Secret(uuid, usage_type, usage_id, ephemeral, private, description, root.xml()), root.unread()


def _uuid(root: Element) -> str:
    given = root.child_text("uuid")
    if not given:
        return str(uuids.uuid4())
    uuid = canonical(given)
    if uuid is None:
        raise root.bad(f"<uuid> is {given!r:.60}, expected a UUID")
    return uuid


def canonical(text: object) -> str | None:
    """Return a uuid as it is written here: 32 digits in small letters, in five groups. None if it is none."""
    digits = text.replace("-", "").lower() if isinstance(text, str) else ""
    if len(digits) != UUID_DIGITS or not set(digits) <= set(string.hexdigits):
        return None
    return str(uuids.UUID(digits))


def _usage(usage: Element) -> tuple[str, str]:
    usage_type = usage.one_of("type", ("none", *USAGES))
    if usage_type == "none":
        return "none", ""
    name = usage.need_child(USAGES[usage_type])
    if not name.text or len(name.text) > USAGE_CHARS_MAX:
        raise name.bad(f"<{name.tag}> has {len(name.text)} characters, expected 1 to {USAGE_CHARS_MAX}")
    return usage_type, name.text


def _check_redefine(old: Secret, new: Secret) -> None:
    if (old.usage_type, old.usage_id) != (new.usage_type, new.usage_id):
        reason = f"a secret with UUID {old.uuid} is already defined for use with {old.usage_id or 'nothing'}"
        raise DriverError(reason, code=Code.INTERNAL_ERROR, subject=old.subject, hint="undefine it first")
    if old.private and not new.private:
        reason = "cannot change private flag on existing secret"
        raise DriverError(reason, code=Code.OPERATION_DENIED, subject=old.subject, hint="undefine it first")


def next_revision(old: Secret, new: Secret) -> Secret:
    """Return `new` as the successor of `old`."""
    return replace(new, revision=old.revision + 1)


def known_flags(flags: int, known: int) -> None:
    """Raise if a flag is set that nobody here would act on."""
    if type(flags) is not int or flags & ~known:
        raise DriverError(
            f"unsupported flags ({flags!r:.20}) in a call to the secret driver", code=Code.INVALID_ARG, subject="secret"
        )


def value_bytes(value: object, subject: str) -> bytes:
    """Return a value that may be kept. Raises DriverError, without a word of the value."""
    data = value.encode(errors="surrogatepass") if isinstance(value, str) else value
    if not isinstance(data, bytes) or len(data) > VALUE_BYTES_MAX:
        size = f", not {len(data)}" if isinstance(data, bytes) else ""
        raise DriverError(f"a value is up to {VALUE_BYTES_MAX} bytes{size}", code=Code.INVALID_ARG, subject=subject)
    return data


def association(uuid: str) -> bytes:
    """Return what a ciphertext is bound to: moved to another secret it does not open."""
    return f"secret:{uuid}:v1".encode()


def _without(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != key}
