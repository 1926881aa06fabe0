"""Objects that are defined, started and stopped, known by name and uuid: frozen pictures, so that readers need no lock."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Named(Protocol):
    """What every definition has."""

    @property
    def name(self) -> str:
        """Its name, which never changes."""

    @property
    def uuid(self) -> str:
        """Its uuid, by which the stores know it."""


D = TypeVar("D", bound=Named)
O = TypeVar("O", bound="Startable[Any]")  # noqa: E741  # an object, as in Registry[O]


@dataclass(frozen=True, slots=True)
class Startable(Generic[D]):
    """One object. `defined` is what stays (None: transient), `live` what it was started with (None: inactive)."""

    kind: ClassVar[str] = "object"

    defined: D | None
    live: D | None = None
    autostart: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What must be remembered of the start."""

    @property
    def definition(self) -> D:
        """What it is now, if it is active; what it will be, if not."""
        found = self.live or self.defined
        assert found is not None
        return found

    @property
    def name(self) -> str:
        """Its name, which never changes."""
        return self.definition.name

    @property
    def uuid(self) -> str:
        """Its uuid, by which the stores know it."""
        return self.definition.uuid

    @property
    def active(self) -> bool:
        """Whether it was started and not stopped since, as acknowledged."""
        return self.live is not None

    @property
    def subject(self) -> str:
        """How it is named in errors, locks and degraded objects."""
        return f"{self.kind} {self.name}"

    def definitions(self) -> tuple[D, ...]:
        """What it is, and what it will be."""
        return tuple(one for one in (self.live, self.defined) if one is not None)


class Registry(Generic[O]):
    """The objects by uuid. Written by whoever holds the object's job lock, read by everybody.

    A subclass says how the kind is called in libvirt's words, which calls help, and what two objects cannot share.
    """

    made: type[O]
    """The class of its objects."""

    title: ClassVar[str] = ""
    """As in "no network with matching name"."""

    unknown: ClassVar[Code] = Code.INVALID_ARG
    taken: ClassVar[Code] = Code.OPERATION_FAILED
    calls: ClassVar[str] = ""
    """The beginning of its methods: "network.network" (_list, _create)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[str, Any] = {}
        self._objects: dict[str, O] = {}
        self._uuids: dict[str, str] = {}

    def shared(self, known: O, wanted: Any) -> Iterable[str]:
        """What a wanted definition would share with a known object of another name and uuid, in words."""
        del known, wanted
        return ()

    def put(self, one: O) -> None:
        """Add an object, or replace its picture."""
        with self._lock:
            self._objects = {**self._objects, one.uuid: one}
            self._uuids = {**self._uuids, one.name: one.uuid}

    def drop(self, uuid: str) -> None:
        """Forget an object."""
        with self._lock:
            self._objects = {other: one for other, one in self._objects.items() if other != uuid}
            self._uuids = {name: other for name, other in self._uuids.items() if other != uuid}

    def all(self) -> list[O]:
        """Return every object, by name."""
        return sorted(self._objects.values(), key=lambda one: one.name)

    def get(self, name: object) -> O | None:
        """Return the object of this name or uuid, or None."""
        if not isinstance(name, str):
            return None
        return self._objects.get(self._uuids.get(name, name)) or self._objects.get(name.lower())

    def find(self, name: object) -> O:
        """Return the object of this name or uuid, or raise."""
        one = self.get(name)
        if one is None:
            reason = f"no {self.title} with matching name or uuid '{str(name)[:80]}'"
            raise DriverError(reason, code=self.unknown, hint=f"tierhost call {self.calls}_list")
        return one

    def find_active(self, name: object) -> O:
        """Return an active object of this name or uuid, or raise."""
        one = self.find(name)
        if not one.active:
            hint = f"tierhost call {self.calls}_create {one.name}"
            raise DriverError(f"the {one.kind} is not active", code=Code.OPERATION_INVALID, subject=one.subject, hint=hint)
        return one

    @contextmanager
    def claiming(self, wanted: Any) -> Iterator[None]:
        """Keep what a new definition names for it until it is put. Raises if another object has any of it."""
        with self._lock:
            claims = [self.made(other) for other in self._claims.values() if other is not wanted]
            for known in (*self._objects.values(), *claims):
                self._refuse_conflict(known, wanted)
            if wanted.uuid in self._claims:
                raise self._taken("it is being defined right now", wanted)
            self._claims[wanted.uuid] = wanted
        try:
            yield
        finally:
            with self._lock:
                del self._claims[wanted.uuid]

    def claimed(self) -> list[Any]:
        """Return every definition there is, and those that are being made."""
        with self._lock:
            return [*(one for known in self._objects.values() for one in known.definitions()), *self._claims.values()]

    def _refuse_conflict(self, known: O, wanted: Any) -> None:
        if known.uuid == wanted.uuid:
            if known.name != wanted.name:
                raise self._taken(f"the {known.kind} with uuid {wanted.uuid} is called '{known.name}'", wanted)
            return
        if known.name == wanted.name:
            raise self._taken(f"the {known.kind} '{wanted.name}' already exists with uuid {known.uuid}", wanted)
        shared = ", ".join(sorted(self.shared(known, wanted)))
        if shared:
            raise self._taken(f"the {known.kind} '{known.name}' uses {shared} already", wanted)

    def _taken(self, text: str, wanted: Any) -> DriverError:
        kind = self.made.kind
        hint = f"choose another, or undefine that {kind} first"
        return DriverError(text, code=self.taken, subject=f"{kind} {wanted.name}", hint=hint)
