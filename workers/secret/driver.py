"""The secret driver's verbs and methods."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.contract import Code, DriverError, InhibitCallback, InitResult, StateDriver, change, read, service
from tierhost.workers.secret import backend, state
from tierhost.workers.secret.state import NoSecret, Secret, Shelf

if TYPE_CHECKING:
    from tierhost.workers.runtime.contract import Context
    from tierhost.workers.runtime.store import Store

SECRETS: Final = "secrets"
VALUES: Final = "values"
KEY: Final = "master key"


class SecretDriver(StateDriver):
    """Keeps secrets: definitions and encrypted values; ephemeral ones only until the machine is booted again.

    What is on disk is the truth, `_shelf` its picture in memory: readers take it as it is, without a lock.
    """

    def __init__(self, context: Context) -> None:
        """Keep the context; the shelf is filled by `state_initialize`."""
        super().__init__(context)
        self._shelf = Shelf()
        self._vault: backend.Vault = backend.ShutVault(backend.NoKey("the driver is not initialized", subject=KEY))
        self._changing_shelf = threading.Lock()

    # Verbs.

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Load definitions and find the key. Without the key, definitions are served and each value says what is wrong."""
        backend.keep_to_ourselves()
        self._finish_moves()
        with self._changing_shelf:
            self._load()
        return InitResult.COMPLETE

    def state_reload(self) -> None:
        """Look at the key and every value again."""
        # changes go on, and wait with their picture until this one is complete: each commits before it shows
        with self._changing_shelf:
            self._load()

    def objects(self) -> dict[str, dict[str, int]]:
        """Count the secrets that have a value, and those that wait for one."""
        shelf = self._shelf
        with_value = len(shelf.secrets.keys() & shelf.sealed.keys())
        return {"secrets": {"with value": with_value, "without value": len(shelf.secrets) - with_value}}

    # Loading.

    def _stores(self) -> tuple[Store, Store]:
        return self.context.persistent, self.context.run

    def _store_of(self, secret: Secret) -> Store:
        # Ephemeral: not beyond this boot. But a crash of this worker is no reason to lose it.
        return self.context.run if secret.ephemeral else self.context.persistent

    def _finish_moves(self) -> None:
        """Forget the older record of a secret that became (or ceased to be) ephemeral when an earlier life died."""
        persistent, run = self._stores()
        for uuid in persistent.all(SECRETS).keys() & run.all(SECRETS).keys():
            first, second = persistent.get(SECRETS, uuid) or {}, run.get(SECRETS, uuid) or {}
            self._forget(persistent if second.get("revision", 0) > first.get("revision", 0) else run, uuid)

    @staticmethod
    def _forget(store: Store, uuid: str) -> None:
        with store.transaction() as t:
            t.delete(SECRETS, uuid)
            t.delete(VALUES, uuid)

    def _load(self) -> None:
        secrets: dict[str, Secret] = {}
        sealed: dict[str, bytes] = {}
        broken: dict[str, str] = {}
        for store in self._stores():
            for uuid, row in store.all(SECRETS).items():
                secret = Secret.from_row(row)
                if secret is None:
                    self.context.degrade(f"secret {uuid}", "its record is not one that this version understands")
                else:
                    secrets[uuid] = secret
            sealed.update({uuid: row["sealed"] for uuid, row in store.all(VALUES).items()})
            broken.update({damage.key: damage.reason for damage in store.damage() if damage.table == VALUES})
        self._find_key(sealed)
        for uuid, data in sealed.items():
            self._examine(uuid, data, broken, defined=uuid in secrets)
        self._shelf = Shelf.of(secrets, sealed, broken)

    def _find_key(self, sealed: dict[str, bytes]) -> None:
        def fits(key: bytes) -> bool:
            return any(_opens(backend.AesGcmVault(key), uuid, data) for uuid, data in sealed.items())

        try:
            found = backend.master_key(self.context.state_dir, fits if sealed else None)
        except backend.NoKey as error:
            self._vault = backend.ShutVault(error)
            self.context.degrade(KEY, str(error))
            return
        self._vault = backend.AesGcmVault(found.key)
        for mended in found.mended:
            self.context.emit("state-file-mended", mended, {})
        if found.troubles:
            self.context.degrade(KEY, "; ".join(found.troubles))
        else:
            self.context.mend(KEY)

    def _examine(self, uuid: str, data: bytes, broken: dict[str, str], *, defined: bool) -> None:
        subject = f"secret {uuid}"
        if isinstance(self._vault, backend.ShutVault):
            return  # the key is what is wrong, and said already; the value may be all right
        if not _opens(self._vault, uuid, data):
            broken[uuid] = "its value does not open: damaged, moved, or encrypted with another master key"
            self.context.degrade(subject, broken[uuid])
        elif not defined:
            self.context.degrade(subject, "its definition is lost; define it again with this uuid, and its value is back")
        else:
            self.context.mend(subject)

    def _put_on_shelf(self, secret: Secret) -> None:
        with self._changing_shelf:
            self._shelf = self._shelf.with_secret(secret)

    # Definitions.

    @change()
    def secret_define_xml(self, xml: str, flags: int = 0) -> dict[str, Any]:
        """Define a secret, or redefine it under the rules of libvirt (flag 1: hold it against libvirt's schema first).

        Returns its uuid, its usage, and what in the XML nobody acts on.
        """
        new, unread = state.from_xml(xml, flags)
        # one definition at a time: two that want the same usage must not both find it free
        with self.context.jobs.changing("secret definitions"), self.context.jobs.changing(new.subject):
            old = self._shelf.admit(new)
            secret = new if old is None else state.next_revision(old, new)
            answer = {
                "uuid": secret.uuid,
                "usage_type": secret.usage_type,
                "usage_id": secret.usage_id,
                "unread": list[Any](unread),
            }
            sealed = self._shelf.sealed.get(secret.uuid)
            moves = old is not None and old.ephemeral != secret.ephemeral
            with self._store_of(secret).transaction() as t:
                t.put(SECRETS, secret.uuid, secret.row())
                if moves and sealed is not None:
                    t.put(VALUES, secret.uuid, {"sealed": sealed})
                t.reply(answer)
            if old is not None and moves:
                # if we die before this, the next life finds two records and forgets the older one
                self._forget(self._store_of(old), secret.uuid)
            self._put_on_shelf(secret)
            if sealed is not None and secret.uuid not in self._shelf.broken:
                self.context.mend(secret.subject)
        self.context.emit("secret-defined", secret.uuid, {})
        return answer

    @change()
    def secret_undefine(self, uuid: str) -> None:
        """Forget a secret and its value; also what is left of one whose record was damaged."""
        name = state.canonical(uuid) or self._shelf.find(uuid).uuid
        with self.context.jobs.changing("secret definitions"), self.context.jobs.changing(f"secret {name}"):
            holders = [store for store in self._stores() if self._holds(store, name)]
            if not holders:
                self._shelf.find(uuid)
            for store in holders:
                with store.transaction() as t:
                    t.delete(SECRETS, name)
                    t.delete(VALUES, name)
                    if store is holders[-1]:
                        t.reply(None)
            with self._changing_shelf:
                self._shelf = self._shelf.without(name)
            self.context.mend(f"secret {name}")
        self.context.emit("secret-undefined", name, {})

    @staticmethod
    def _holds(store: Store, uuid: str) -> bool:
        rows = store.get(SECRETS, uuid), store.get(VALUES, uuid)
        return any(row is not None for row in rows) or any(uuid == damage.key for damage in store.damage())

    @read(inline=True)
    def secret_list(self, flags: int = 0) -> list[dict[str, Any]]:
        """List the secrets, without their values. Flags: 1 ephemeral, 2 not ephemeral, 4 private, 8 not private."""
        state.known_flags(flags, sum(state.LIST_FLAGS))
        shelf = self._shelf
        return [shelf.shown(secret) for secret in shelf.select(flags)]

    @read(inline=True)
    def secret_lookup_by_uuid(self, uuid: str) -> dict[str, Any]:
        """Show one secret, without its value."""
        shelf = self._shelf
        return shelf.shown(shelf.find(uuid))

    @read(inline=True)
    def secret_lookup_by_usage(self, usage_type: str, usage_id: str) -> dict[str, Any]:
        """Show the secret for one use, without its value."""
        shelf = self._shelf
        return shelf.shown(shelf.find_by_usage(usage_type, usage_id))

    @read(inline=True)
    def secret_get_xml_desc(self, uuid: str, flags: int = 0) -> str:
        """Return the definition."""
        state.known_flags(flags, 0)
        return self._shelf.find(uuid).xml

    # Values.

    @change()
    def secret_set_value(self, uuid: str, value: bytes, flags: int = 0) -> None:
        """Give a secret its value."""
        state.known_flags(flags, 0)
        subject = self._shelf.find(uuid).subject
        data = state.value_bytes(value, subject)
        with self.context.jobs.changing(subject):
            secret = self._shelf.find(uuid)
            sealed = self._vault.seal(data, state.association(secret.uuid))
            with self._store_of(secret).transaction() as t:
                t.put(VALUES, secret.uuid, {"sealed": sealed})
                t.reply(None)
            with self._changing_shelf:
                self._shelf = self._shelf.with_value(secret.uuid, sealed)
            self.context.mend(subject)
        self.context.emit("secret-value-changed", secret.uuid, {})

    @read(inline=True)
    def secret_get_value(self, uuid: str, flags: int = 0) -> bytes:
        """Return a value to a client. Private ones stay private."""
        state.known_flags(flags, 0)
        shelf = self._shelf
        secret = shelf.find(uuid)
        if secret.private:
            reason = "secret is private: only workers whose manifest needs it get its value"
            raise DriverError(reason, code=Code.INVALID_SECRET, subject=secret.subject)
        return self._value(shelf, secret)

    @service(inline=True)
    def get_value(self, uuid: str = "", usage_type: str = "", usage_id: str = "") -> bytes:
        """Return a value to a worker whose manifest needs it, by uuid or by usage, private or not."""
        shelf = self._shelf
        return self._value(shelf, shelf.find(uuid) if uuid else shelf.find_by_usage(usage_type, usage_id))

    def _value(self, shelf: Shelf, secret: Secret) -> bytes:
        sealed = shelf.sealed.get(secret.uuid)
        if sealed is None and secret.uuid in shelf.broken:
            reason = f"its value is lost: {shelf.broken[secret.uuid]}"
            raise DriverError(reason, code=Code.INVALID_SECRET, subject=secret.subject, hint="set the value again")
        if sealed is None:
            hint = f"`tierhost call secret.secret_set_value {secret.uuid} @@FILE` sets it"
            raise NoSecret(f"secret '{secret.uuid}' does not have a value", subject=secret.subject, hint=hint)
        try:
            return self._vault.open(sealed, state.association(secret.uuid))
        except backend.NotOurs as error:
            raise backend.NotOurs(error.text, subject=secret.subject, hint=error.hint) from None


def _opens(vault: backend.Vault, uuid: str, sealed: bytes) -> bool:
    try:
        vault.open(sealed, state.association(uuid))
    except backend.NotOurs:
        return False
    return True
