"""Pools of type iscsi-direct: a target, asked by libiscsi. Nothing of it is on this machine; active is what is recorded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.storage.backend import PoolBackend
from tierhost.workers.storage.iscsi_link import PORT, IscsiLink
from tierhost.workers.storage.iscsi_volumes import IscsiVolumes
from tierhost.workers.storage.remote_link import start_by_answer, trouble_by_answer
from tierhost.workers.storage.source_xml import Source, checked_text, read_auth, read_hosts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.runtime.definitions import Element
    from tierhost.workers.storage.backend import Effort, Facts
    from tierhost.workers.storage.options import Options
    from tierhost.workers.storage.pool_xml import PoolDefinition

NAME: Final = re.compile(r"(iqn|eui|naa)\.[A-Za-z0-9.:_-]{1,219}\Z")
"""What a target or an initiator is called (RFC 3720). No '/': it ends the name wherever a unit's number follows."""

USER_BYTES_MAX: Final = 255


class Backend(PoolBackend):
    """An iSCSI target. Its CHAP password is asked of the secret driver, over IPC, whenever a connection is made."""

    volumes = IscsiVolumes()
    remote = True

    def read_source(self, source: Element | None, pool: Element) -> Source:
        """Read portal, target, who we are and how we log in."""
        if source is None:
            raise pool.bad("<source> is missing: it needs <host name='...'/>, <device path='IQN'/>, <initiator><iqn name='...'/>")
        hosts = read_hosts(source)
        if len(hosts) > 1:
            raise source.bad(f"there are {len(hosts)} <host> elements, expected one")
        device = source.need_child("device")
        initiator = source.need_child("initiator").need_child("iqn")
        auth = read_auth(source, "chap")
        if auth is not None and len(checked_text(source, auth.username, "username").encode()) > USER_BYTES_MAX:
            raise source.bad("the username is too long for CHAP")
        target, own = _name(device, device.need("path")), _name(initiator, initiator.need("name"))
        return Source(device=target, hosts=hosts, initiator=own, auth=auth)

    def read_target(self, target: Element | None, pool: Element, source: Source) -> str:
        """There is none on this machine."""
        return ""

    def exclusive(self, definition: PoolDefinition) -> set[str]:
        """Two pools over one target would show each other's volumes."""
        host = definition.source.hosts[0]
        return {f"iscsi {host.name}:{host.port or PORT}/{definition.source.device}"}

    def connect(self, definition: PoolDefinition, key: bytes, options: Options) -> IscsiLink:
        """Start the process that will connect."""
        return IscsiLink(definition, key, options.remote_limit_s)

    def start(self, definition: PoolDefinition, effort: Effort) -> Facts:
        """The target must let us in."""
        return start_by_answer(definition, effort, "is the target running?")

    def trouble(self, definition: PoolDefinition, facts: Mapping[str, Any], effort: Effort) -> str:
        """What the last answer was, or the next one is."""
        return trouble_by_answer(effort)


def _name(element: Element, text: str) -> str:
    if not NAME.match(text):
        raise element.bad(f"{text[:80]!r} is no iSCSI name, such as iqn.2026-01.org.example:disks")
    return text
