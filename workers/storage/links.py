"""The ways to remote storage that this life has: one per pool, made when it is first needed, with the key asked for then."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tierhost.workers.storage.backend import backend_of

if TYPE_CHECKING:
    from tierhost.workers.runtime.contract import Context
    from tierhost.workers.storage.backend import Link
    from tierhost.workers.storage.options import Options
    from tierhost.workers.storage.pool_xml import PoolDefinition


class Links:
    """Links by pool. Thread-safe; its lock is never held while anything waits."""

    def __init__(self, context: Context, options: Options) -> None:
        self._context = context
        self._options = options
        self._lock = threading.Lock()
        self._links: dict[str, tuple[PoolDefinition, Link]] = {}

    def reach(self, definition: PoolDefinition) -> None:
        """See that there is a usable link to a pool's storage, if its type has any.

        Asks the secret driver, so no lock may be held: neither a job's nor an act's. Raises what the secret driver says.
        """
        if self.get(definition) is not None:
            return
        backend = backend_of(definition.type)
        if not backend.remote:
            return
        auth = definition.source.auth
        key: bytes = b"" if auth is None else self._context.services.secret.get_value(**auth.query)
        link = backend.connect(definition, key, self._options)
        if link is None:
            return
        with self._lock:
            surplus: Link | None = link
            if self.get(definition) is None:  # else somebody was faster, and may be using his
                surplus = self._links[definition.uuid][1] if definition.uuid in self._links else None
                self._links[definition.uuid] = (definition, link)
        if surplus is not None:
            surplus.close()

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
