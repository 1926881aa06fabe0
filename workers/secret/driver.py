"""The secret driver's verbs and methods."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.contract import Code, DriverError, InhibitCallback, InitResult, StateDriver, change, read, service
from tierhost.workers.secret import backend, state
from tierhost.workers.secret.state import Secret

if TYPE_CHECKING:
    from tierhost.workers.runtime.store import Store

SECRETS = "secrets"
VALUES = "values"


class SecretDriver(StateDriver):
    """Keeps secrets: definitions and encrypted values; ephemeral ones only until the machine is booted again."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Load definitions and find the key. A value that does not open costs that secret only."""
        backend.keep_to_ourselves()
        self._lock = threading.RLock()
        sealed = any(store.all(VALUES) for store in self._stores())
        self._vault: backend.Vault = backend.AesGcmVault(backend.master_key(self.context.state_dir, may_make=not sealed))
        self._load()
        return InitResult.COMPLETE

    def state_reload(self) -> None:
        """Look at everything again."""
        self._load()

    def objects(self) -> dict[str, dict[str, int]]:
        """Count the secrets that have a value, and those that wait for one."""
        with_value = sum(1 for uuid in self._secrets if uuid in self._sealed)
        return {"secrets": {"with value": with_value, "without value": len(self._secrets) - with_value}}

    def _stores(self) -> tuple[Store, Store]:
        return self.context.persistent, self.context.run

    def _store_of(self, secret: Secret) -> Store:
        # Ephemeral: not beyond this boot. But a crash of this worker is no reason to lose it.
        return self.context.run if secret.ephemeral else self.context.persistent

    def _load(self) -> None:
        secrets, sealed = {}, {}
        for store in self._stores():
            secrets.update({uuid: Secret(**row) for uuid, row in store.all(SECRETS).items()})
            sealed.update({uuid: row["sealed"] for uuid, row in store.all(VALUES).items()})
        for uuid in secrets:
            self._examine(uuid, sealed)
        with self._lock:
            self._secrets = secrets
            self._by_usage = {(one.usage_type, one.usage_id): uuid for uuid, one in secrets.items() if one.usage_type != "none"}
            self._sealed = sealed

    def _examine(self, uuid: str, sealed: dict[str, bytes]) -> None:
        if uuid not in sealed:
            return
        try:
            self._vault.open(sealed[uuid], state.association(uuid))
        except backend.NotOurs as error:
            self.context.degrade(f"secret {uuid}", error.text)
        else:
            self.context.mend(f"secret {uuid}")

    # Definitions.

    @change()
    def secret_define_xml(self, xml: str, flags: int = 0) -> dict[str, Any]:
        """Define a secret, or redefine it under the rules of libvirt. Returns its uuid, its usage, and what was not read."""
        secret, unread = state.from_xml(xml)
        with self.context.jobs.changing(f"secret {secret.uuid}"):
            old = self._secrets.get(secret.uuid)
            if old is not None:
                state.check_redefine(old, secret)
            taken = self._by_usage.get((secret.usage_type, secret.usage_id))
            if taken not in {None, secret.uuid}:
                reason = f"a secret with UUID {taken} is already defined for use with {secret.usage_type} {secret.usage_id}"
                raise DriverError(reason, code=Code.INTERNAL_ERROR, subject=f"secret {secret.uuid}", hint="undefine that one first")
            answer = {"uuid": secret.uuid, "usage_type": secret.usage_type, "usage_id": secret.usage_id, "unread": list[Any](unread)}
            if old is not None and old.ephemeral != secret.ephemeral:
                self._move_store(old, secret)
            with self._store_of(secret).transaction() as t:
                t.put(SECRETS, secret.uuid, secret.row())
                t.reply(answer)
            with self._lock:
                self._secrets[secret.uuid] = secret
                if secret.usage_type != "none":
                    self._by_usage[(secret.usage_type, secret.usage_id)] = secret.uuid
        self.context.emit("secret-defined", secret.uuid, {})
        return answer

    def _move_store(self, old: Secret, new: Secret) -> None:
        """Carry a value over before the old place is emptied: if we die in between, it is in both, never in neither."""
        if new.uuid in self._sealed:
            self._store_of(new).put(VALUES, new.uuid, {"sealed": self._sealed[new.uuid]})
        self._store_of(new).put(SECRETS, new.uuid, new.row())
        with self._store_of(old).transaction() as t:
            t.delete(SECRETS, old.uuid)
            t.delete(VALUES, old.uuid)

    @change(lock="uuid")
    def secret_undefine(self, uuid: str) -> None:
        """Forget a secret and its value."""
        secret = self._find(uuid)
        for store in self._stores():
            with store.transaction() as t:
                t.delete(SECRETS, secret.uuid)
                t.delete(VALUES, secret.uuid)
                t.reply(None)
        with self._lock:
            del self._secrets[secret.uuid]
            self._by_usage.pop((secret.usage_type, secret.usage_id), None)
            self._sealed.pop(secret.uuid, None)
        self.context.mend(f"secret {secret.uuid}")
        self.context.emit("secret-undefined", secret.uuid, {})

    @read(inline=True)
    def secret_list(self) -> list[dict[str, Any]]:
        """List every secret, without its value."""
        with self._lock:
            return [self._shown(secret) for secret in self._secrets.values()]

    @read(inline=True)
    def secret_lookup_by_uuid(self, uuid: str) -> dict[str, Any]:
        """Show one secret, without its value."""
        return self._shown(self._find(uuid))

    @read(inline=True)
    def secret_lookup_by_usage(self, usage_type: str, usage_id: str) -> dict[str, Any]:
        """Show the secret for one use, without its value."""
        return self._shown(self._find_by_usage(usage_type, usage_id))

    @read(inline=True)
    def secret_get_xml_desc(self, uuid: str) -> str:
        """Return the definition."""
        return self._find(uuid).xml

    def _shown(self, secret: Secret) -> dict[str, Any]:
        return {
            "uuid": secret.uuid,
            "usage_type": secret.usage_type,
            "usage_id": secret.usage_id,
            "ephemeral": secret.ephemeral,
            "private": secret.private,
            "has_value": secret.uuid in self._sealed,
        }

    # Values.

    @change(lock="uuid")
    def secret_set_value(self, uuid: str, value: bytes, flags: int = 0) -> None:
        """Give a secret its value."""
        secret = self._find(uuid)
        data = value.encode() if isinstance(value, str) else value
        if not isinstance(data, bytes) or len(data) > state.VALUE_BYTES_MAX:
            reason = f"a value is at most {state.VALUE_BYTES_MAX} bytes"
            raise DriverError(reason, code=Code.INVALID_ARG, subject=f"secret {secret.uuid}")
        sealed = self._vault.seal(data, state.association(secret.uuid))
        with self._store_of(secret).transaction() as t:
            t.put(VALUES, secret.uuid, {"sealed": sealed})
            t.reply(None)
        with self._lock:
            self._sealed[secret.uuid] = sealed
        self.context.mend(f"secret {secret.uuid}")
        self.context.emit("secret-value-changed", secret.uuid, {})

    @read(inline=True)
    def secret_get_value(self, uuid: str, flags: int = 0) -> bytes:
        """Return a value to a client. Private ones stay private."""
        secret = self._find(uuid)
        if secret.private:
            reason = "it is private: only workers that need it get its value"
            raise DriverError(reason, code=Code.INVALID_SECRET, subject=f"secret {secret.uuid}")
        return self._value(secret)

    @service(inline=True)
    def get_value(self, uuid: str = "", usage_type: str = "", usage_id: str = "") -> bytes:
        """Return a value to a worker whose manifest needs it, by uuid or by usage."""
        return self._value(self._find(uuid) if uuid else self._find_by_usage(usage_type, usage_id))

    def _value(self, secret: Secret) -> bytes:
        sealed = self._sealed.get(secret.uuid)
        if sealed is None:
            reason = f"secret '{secret.uuid}' does not have a value"
            hint = f"`tierhost call secret.secret_set_value {secret.uuid} @@FILE` sets it"
            raise DriverError(reason, code=Code.NO_SECRET, subject=f"secret {secret.uuid}", hint=hint)
        try:
            return self._vault.open(sealed, state.association(secret.uuid))
        except backend.NotOurs as error:
            error.subject = f"secret {secret.uuid}"
            raise

    def _find(self, uuid: str) -> Secret:
        secret = self._secrets.get(uuid) or self._secrets.get(str(uuid).lower())
        if secret is None:
            reason = f"no secret with matching uuid '{uuid!s:.64}'"
            raise DriverError(reason, code=Code.NO_SECRET, hint="`tierhost call secret.secret_list` lists them")
        return secret

    def _find_by_usage(self, usage_type: str, usage_id: str) -> Secret:
        uuid = self._by_usage.get((usage_type, usage_id))
        if uuid is None:
            reason = f"no secret with matching usage '{usage_type!s:.16} {usage_id!s:.200}'"
            raise DriverError(reason, code=Code.NO_SECRET, hint="define one with this usage")
        return self._secrets[uuid]
