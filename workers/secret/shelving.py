"""What the secret driver does with what is on disk: finding the key, loading, looking at every value, finishing moves."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.contract import InhibitCallback, InitResult, StateDriver
from tierhost.workers.secret import backend, state
from tierhost.workers.secret.state import Secret, Shelf

if TYPE_CHECKING:
    from tierhost.workers.runtime.contract import Context
    from tierhost.workers.runtime.store import Store

SECRETS: Final = "secrets"
VALUES: Final = "values"
KEY: Final = "master key"


class Shelving(StateDriver):
    """The verbs, and the shelf: what is on disk is the truth, `_shelf` its picture in memory.

    Readers take the shelf as it is, without a lock. Who changes something commits first and then puts a new shelf up.
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


def _opens(vault: backend.Vault, uuid: str, sealed: bytes) -> bool:
    try:
        vault.open(sealed, state.association(uuid))
    except backend.NotOurs:
        return False
    return True
