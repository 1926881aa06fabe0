"""Pools of type rbd: a pool of a Ceph cluster. Nothing of it is on this machine; active is what the record says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.storage.backend import PoolBackend
from tierhost.workers.storage.rbd_link import RbdLink
from tierhost.workers.storage.rbd_volumes import RbdVolumes
from tierhost.workers.storage.remote_link import start_by_answer, trouble_by_answer
from tierhost.workers.storage.source_xml import Source, read_auth, read_hosts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.runtime.definitions import Element
    from tierhost.workers.storage.backend import Effort, Facts
    from tierhost.workers.storage.options import Options
    from tierhost.workers.storage.pool_xml import PoolDefinition

NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}(/[A-Za-z0-9_.-]{1,128})?\Z")
"""A Ceph pool, or a namespace in one."""

USER: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")


class Backend(PoolBackend):
    """A Ceph pool. Its key is asked of the secret driver, over IPC, whenever a connection is made."""

    volumes = RbdVolumes()
    remote = True

    def read_source(self, source: Element | None, pool: Element) -> Source:
        """Read monitors, pool and user."""
        if source is None:
            raise pool.bad("<source> is missing: a pool of type rbd needs <source><name>POOL</name><host name='...'/></source>")
        found = source.need_child("name")
        if not NAME.match(found.text):
            raise found.bad(f"the name {found.text[:80]!r} is no Ceph pool's, and no pool/namespace")
        auth = read_auth(source, "ceph")
        if auth is not None and not USER.match(auth.username):
            raise source.bad(f"the username {auth.username[:80]!r} is no Ceph user's")
        return Source(hosts=read_hosts(source), name=found.text, auth=auth)

    def read_target(self, target: Element | None, pool: Element, source: Source) -> str:
        """There is none on this machine."""
        return ""

    def exclusive(self, definition: PoolDefinition) -> set[str]:
        """Two pools over one Ceph pool would show each other's volumes."""
        return {f"rbd {host.name}/{definition.source.name}" for host in definition.source.hosts}

    def connect(self, definition: PoolDefinition, key: bytes, options: Options) -> RbdLink:
        """Start the process that will connect."""
        return RbdLink(definition, key, options.remote_limit_s)

    def start(self, definition: PoolDefinition, effort: Effort) -> Facts:
        """The cluster must let us into the pool."""
        return start_by_answer(definition, effort, "are its monitors and OSDs running?")

    def trouble(self, definition: PoolDefinition, facts: Mapping[str, Any], effort: Effort) -> str:
        """What the last answer was, or the next one is."""
        return trouble_by_answer(effort)
