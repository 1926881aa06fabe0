"""The ways to remote storage that this life has: one per pool, made when it is first needed, with the key asked for then."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.backend import backend_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.workers.runtime.contract import Context
    from tierhost.workers.storage.backend import Link
    from tierhost.workers.storage.options import Options
    from tierhost.workers.storage.pool_xml import PoolDefinition


class Links:
    """Links by pool. Thread-safe; nobody but who wants the same link waits while one is made."""

    def __init__(self, context: Context, options: Options) -> None:
        self._context = context
        self._options = options
        self._lock = threading.Lock()
        self._makers: dict[str, threading.Lock] = {}
        self._links: dict[str, tuple[PoolDefinition, Link]] = {}

    def reach(self, definition: PoolDefinition) -> None:
        """See that there is a usable link to a pool's storage, if its type has any.

        Asks the secret driver, so no lock may be held: neither a job's nor an act's. Raises what the secret driver says.
        """
        if self.get(definition) is not None or not backend_of(definition.type).remote:
            return
        with self._making(definition):
            if self.get(definition) is None:
                self._make(definition)

    @contextmanager
    def _making(self, definition: PoolDefinition) -> Iterator[None]:
        """Have one caller make a pool's link; the others wait for it as long as they have time."""
        with self._lock:
            maker = self._makers.setdefault(definition.uuid, threading.Lock())
        if not maker.acquire(timeout=max(0.0, calling.deadline_s() - time.monotonic())):
            raise DriverError(
                "its storage is still being connected", code=Code.OPERATION_TIMEOUT, subject=f"pool {definition.name}"
            )
        try:
            yield
        finally:
            maker.release()

    def _make(self, definition: PoolDefinition) -> None:
        auth = definition.source.auth
        key: bytes = b"" if auth is None else self._context.services.secret.get_value(**auth.query)
        link = backend_of(definition.type).connect(definition, key, self._options)
        if link is None:
            return
        with self._lock:
            old = self._links.get(definition.uuid)
            self._links[definition.uuid] = (definition, link)
        if old is not None:
            old[1].close()

    def get(self, definition: PoolDefinition) -> Link | None:
        """Return the usable link that was made for this very definition, or None."""
        found = self._links.get(definition.uuid)
        return found[1] if found is not None and found[0].xml == definition.xml and found[1].is_usable() else None

    def drop(self, uuid: str) -> None:
        """Close a pool's link: it is stopped, or its key was refused and may be another by now."""
        with self._lock:
            found = self._links.pop(uuid, None)
        if found is not None:
            found[1].close()

    def close(self) -> None:
        """Close all links."""
        for uuid in list(self._links):
            self.drop(uuid)
