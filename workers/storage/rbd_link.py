"""The way to one Ceph pool: an envoy, what it last said, and the cluster's refusals in words a person can act on."""

from __future__ import annotations

import errno
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.acts import Unanswered
from tierhost.workers.storage.backend import Effort
from tierhost.workers.storage.envoy import Envoy

if TYPE_CHECKING:
    from tierhost.workers.storage.pool_xml import PoolDefinition

MODULE: Final = "tierhost.workers.storage.rbd.images"
FRESH_S: Final = 1.0
"""How long a good answer is taken as proof that the next call will be answered, too."""

SILENT_S: Final = 2.0
"""How long after a call that was not answered others are refused at once, instead of waiting for the same silence."""

GRACE_S: Final = 1.0
"""How much longer than the library's own time-outs a question waits, so that the library's word comes first."""


class RbdLink:
    """Counts what the cluster answers. Thread-safe."""

    def __init__(self, definition: PoolDefinition, key: bytes, limit_s: float) -> None:
        source = definition.source
        pool, _, namespace = source.name.partition("/")
        self._hosts = ", ".join(host.name for host in source.hosts)
        self._user = source.auth.username if source.auth else ""
        self._pool = source.name
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._answered_s = 0.0
        self._trouble = ""
        self._trouble_s = 0.0
        self._refused = False
        self._envoy = Envoy(
            MODULE,
            {
                "mon_host": ",".join(mon_address(host.name, host.port) for host in source.hosts),
                "user": self._user,
                "pool": pool,
                "namespace": namespace,
                "limit_s": max(1, round(limit_s)),
            },
            key,
        )

    def is_usable(self) -> bool:
        """Not when the process is dead, or its key was refused: the next one asks for the key as it is then."""
        return not self._refused and self._envoy.is_usable()

    def close(self) -> None:
        """End the process."""
        self._envoy.close()

    def call(self, method: str, effort: Effort, data: bytes = b"", **arguments: Any) -> Any:
        """Make one call; returns its bytes if it has any, else its answer.

        Raises OSError as the image or its pool gives it, Unanswered, and DriverError for what is wrong with cluster or key.
        """
        try:
            answer, payload = self._envoy.call(method, effort, data, **arguments)
        except OSError as error:
            if error.errno == errno.ETIMEDOUT:
                raise Unanswered(self._note_trouble(f"the Ceph cluster at {self._hosts} does not answer")) from None
            refusal = self._refusal(error)
            if refusal is not None:
                raise refusal from None
            self._note_answer()
            raise
        except Unanswered as error:
            self._note_trouble(f"the Ceph cluster at {self._hosts}: {error.text}")
            raise
        self._note_answer()
        return payload if method == "read" else answer

    def trouble(self, deadline_s: float) -> str:
        """Say what is wrong with the cluster. Asks it, unless it answered or failed to a moment ago."""
        now_s = time.monotonic()
        with self._lock:
            if self._trouble and now_s - self._trouble_s < SILENT_S:
                return self._trouble
            if not self._trouble and now_s - self._answered_s < FRESH_S:
                return ""
            if self._trouble:
                self._trouble_s = now_s  # one asks; whoever comes meanwhile is told what was last known
        self.ask_now(deadline_s)
        return self._trouble

    def ask_now(self, deadline_s: float) -> None:
        """Ask the cluster whether it is there. Raises DriverError only for a key or a pool that is refused."""
        try:
            self.call("ping", Effort(min(deadline_s, time.monotonic() + self._limit_s * 2 + GRACE_S)))
        except OSError as error:
            self._note_trouble(failure(error))
        except Unanswered:
            return  # noted

    def _note_answer(self) -> None:
        with self._lock:
            self._answered_s, self._trouble = time.monotonic(), ""

    def _note_trouble(self, text: str) -> str:
        with self._lock:
            self._trouble, self._trouble_s = text, time.monotonic()
        return text

    def _refusal(self, error: OSError) -> DriverError | None:
        """Put into words what is refused before any image is looked at."""
        if error.errno in {errno.EACCES, errno.EKEYREJECTED, errno.EOPNOTSUPP}:
            self._refused = True
            reason = {
                errno.EACCES: f"the Ceph cluster at {self._hosts} refuses user '{self._user}' with the key in its secret",
                errno.EOPNOTSUPP: f"the Ceph cluster at {self._hosts} wants CephX, and the pool has no <auth>",
            }.get(error.errno or 0, "the value of its secret is no CephX key")
            hint = f"set the right one: ceph auth print-key client.{self._user}" if self._user else "add <auth type='ceph' ...>"
            return DriverError(reason, code=Code.AUTH_FAILED, hint=hint)
        if error.errno == errno.ESHUTDOWN:
            self._refused = True  # whoever comes next connects anew, under another name
            return DriverError("the Ceph cluster has shut this client out", code=Code.OPERATION_FAILED, hint="try again")
        if error.errno == errno.EPERM:
            text = f"the Ceph cluster at {self._hosts} lets user '{self._user}' in, but not into pool '{self._pool}'"
            hint = f"ceph auth caps client.{self._user} mon 'profile rbd' osd 'profile rbd pool={self._pool}'"
            return DriverError(text, code=Code.ACCESS_DENIED, hint=hint)
        if error.errno == errno.ENODEV:
            text = f"the Ceph cluster at {self._hosts}: {error.strerror}"
            return DriverError(text, hint=f"ceph osd pool create {self._pool} && rbd pool init {self._pool}")
        if error.errno == errno.ENOSYS:
            return DriverError(error.strerror or "", code=Code.OPERATION_UNSUPPORTED, hint="apt-get install librbd1")
        return None


def failure(error: OSError) -> str:
    """The library's word."""
    return error.strerror or os.strerror(error.errno or 0)


def mon_address(name: str, port: int) -> str:
    """Write a monitor's address for librados. The usual ports are left out: it then speaks the right protocol to each."""
    host = f"[{name}]" if ":" in name and not name.startswith("[") else name
    return host if port in {0, 3300, 6789} else f"{host}:{port}"
