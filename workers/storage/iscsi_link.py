"""The way to one iSCSI target: an envoy, and the target's refusals in words a person can act on."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.envoy import Envoy
from tierhost.workers.storage.remote_link import RemoteLink

if TYPE_CHECKING:
    from tierhost.workers.storage.pool_xml import PoolDefinition

MODULE: Final = "tierhost.workers.storage.iscsi.units"
PORT: Final = 3260


class IscsiLink(RemoteLink):
    """Speaks for one target."""

    def __init__(self, definition: PoolDefinition, key: bytes, limit_s: float) -> None:
        source = definition.source
        host = source.hosts[0]
        self._user = source.auth.username if source.auth else ""
        self._target = source.device
        settings = {
            "host": host.name,
            "port": host.port or PORT,
            "target": source.device,
            "initiator": source.initiator,
            "user": self._user,
            "limit_s": max(1, round(limit_s)),
        }
        super().__init__(Envoy(MODULE, settings, key), f"the iSCSI portal at {host.name}:{host.port or PORT}", limit_s)

    def refusal(self, error: OSError) -> DriverError | None:
        """Put into words what is refused before any unit is looked at."""
        if error.errno in {errno.EACCES, errno.EKEYREJECTED}:
            self.refused = True
            if not self._user:
                text = f"the target {self._target} wants a CHAP login, and the pool has no <auth>"
                return DriverError(text, code=Code.AUTH_FAILED, hint="add <auth type='chap' username='...'><secret .../></auth>")
            if error.errno == errno.EKEYREJECTED:
                text = "the value of its secret is no CHAP password: 1 to 255 bytes without a zero"
            else:
                text = f"the target {self._target} refuses user '{self._user}' with the CHAP password in its secret"
            return DriverError(text, code=Code.AUTH_FAILED, hint="set the right one: tierhost call secret.secret_set_value ...")
        if error.errno == errno.EPERM:
            text = f"the target {self._target} does not let this initiator in"
            return DriverError(text, code=Code.ACCESS_DENIED, hint="<initiator><iqn name='...'/></initiator> says who we are")
        if error.errno == errno.ENODEV:
            return DriverError(f"{self.place} has no target {self._target}", hint=f"iscsi-ls iscsi://{self.place.split()[-1]}")
        if error.errno == errno.ENOSYS:
            text = error.strerror or ""
            return DriverError(text, code=Code.OPERATION_UNSUPPORTED, hint="apt-get install libiscsi7")
        return None
