"""The secret driver's methods: definitions and values, as libvirt's clients and our workers ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.contract import Code, DriverError, change, read, service
from tierhost.workers.secret import backend, state
from tierhost.workers.secret.shelving import SECRETS, VALUES, Shelving
from tierhost.workers.secret.state import NoSecret, Secret, Shelf

if TYPE_CHECKING:
    from tierhost.workers.runtime.store import Store


class SecretDriver(Shelving):
    """Keeps secrets: definitions and encrypted values; ephemeral ones only until the machine is booted again."""

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
