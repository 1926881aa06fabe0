"""The way to one Ceph pool: an envoy, and the cluster's refusals in words a person can act on."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.envoy import Envoy
from tierhost.workers.storage.remote_link import RemoteLink

if TYPE_CHECKING:
    from tierhost.workers.storage.pool_xml import PoolDefinition

MODULE: Final = "tierhost.workers.storage.rbd.images"


class RbdLink(RemoteLink):
    """Speaks for one pool of a cluster."""

    def __init__(self, definition: PoolDefinition, key: bytes, limit_s: float) -> None:
        source = definition.source
        pool, _, namespace = source.name.partition("/")
        self._user = source.auth.username if source.auth else ""
        self._pool = source.name
        settings = {
            "mon_host": ",".join(mon_address(host.name, host.port) for host in source.hosts),
            "user": self._user,
            "pool": pool,
            "namespace": namespace,
            "limit_s": max(1, round(limit_s)),
        }
        hosts = ", ".join(host.name for host in source.hosts)
        super().__init__(Envoy(MODULE, settings, key), f"the Ceph cluster at {hosts}", limit_s)

    def refusal(self, error: OSError) -> DriverError | None:
        """Put into words what is refused before any image is looked at."""
        if error.errno in {errno.EACCES, errno.EKEYREJECTED, errno.EOPNOTSUPP}:
            self.refused = True
            if not self._user:
                # A cluster says so in one of two ways, by which of its daemons has the first word.
                reason = f"{self.place} wants CephX, and the pool has no <auth>"
            elif error.errno == errno.EACCES:
                reason = f"{self.place} refuses user '{self._user}' with the key in its secret"
            else:
                reason = "the value of its secret is no CephX key"
            hint = f"set the right one: ceph auth print-key client.{self._user}" if self._user else "add <auth type='ceph' ...>"
            return DriverError(reason, code=Code.AUTH_FAILED, hint=hint)
        if error.errno == errno.ESHUTDOWN:
            self.refused = True  # whoever comes next connects anew, under another name
            return DriverError("the Ceph cluster has shut this client out", code=Code.OPERATION_FAILED, hint="try again")
        if error.errno == errno.EPERM:
            text = f"{self.place} lets user '{self._user}' in, but not into pool '{self._pool}'"
            hint = f"ceph auth caps client.{self._user} mon 'profile rbd' osd 'profile rbd pool={self._pool}'"
            return DriverError(text, code=Code.ACCESS_DENIED, hint=hint)
        if error.errno == errno.ENODEV:
            text = f"{self.place}: {error.strerror}"
            return DriverError(text, hint=f"ceph osd pool create {self._pool} && rbd pool init {self._pool}")
        if error.errno == errno.ENOSYS:
            return DriverError(error.strerror or "", code=Code.OPERATION_UNSUPPORTED, hint="apt-get install librbd1")
        return None


def mon_address(name: str, port: int) -> str:
    """Write a monitor's address for librados. The usual ports are left out: it then speaks the right protocol to each."""
    host = f"[{name}]" if ":" in name and not name.startswith("[") else name
    return host if port in {0, 3300, 6789} else f"{host}:{port}"
