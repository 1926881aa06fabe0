"""Disks that are somewhere else: images of a Ceph cluster, LUNs of an iSCSI target, exports of an NBD server."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu.domain import Key, Login, Remote, RemoteHost
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.definitions import Unsupported

if TYPE_CHECKING:
    from tierhost.workers.runtime.definitions import Element

HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,255}\Z")
NAME: Final = re.compile(r"[^\x00-\x1f@\\]{1,1024}\Z")
INITIATOR: Final = re.compile(r"(iqn|eui|naa)\.[A-Za-z0-9.:_-]{1,219}\Z")
PORT_MAX: Final = 65535
PORTS: Final = {"rbd": 6789, "iscsi": 3260, "nbd": 10809}
LOGINS: Final = {"rbd": "ceph", "iscsi": "chap"}
"""How one proves who one is, by protocol; NBD knows no such thing."""

USAGE_TYPES: Final = {"ceph": "ceph", "chap": "iscsi"}
CEPH_KEY_TYPES: Final = (b"\1\0", b"\2\0")
LUN_MAX: Final = 16383

CEPH_CONFIGURATION: Final = """[client]
# a monitor command that opens an image must not hang for the five minutes that are the default
client_mount_timeout = 10
"""
"""What QEMU reads instead of the machine's own ceph.conf: no secret, no address."""


def read_remote(disk: Element, source: Element) -> Remote:
    """Read <source protocol='...' name='...'> with its hosts, and <auth> in it or beside it."""
    protocol = source.one_of("protocol", tuple(PORTS))
    for attribute in ("tls", "query"):
        if source.get(attribute) not in {None, "no"}:
            raise Unsupported(f"attribute '{attribute}' is not supported here (line {source.line})", subject=source.path)
    name = source.get("name") or ""
    if (name or protocol != "nbd") and not NAME.match(name):
        raise source.bad(f"the name is {name[:80]!r}, expected that of an image, a target or an export")
    auth = source.child("auth") or disk.child("auth")
    hosts = tuple(_host(host, protocol) for host in source.children("host"))
    if not hosts or (protocol != "rbd" and len(hosts) > 1):
        raise source.bad(f"there are {len(hosts)} <host> elements, expected {'some' if protocol == 'rbd' else 'one'}")
    initiator = _initiator(source) if protocol == "iscsi" else ""
    source.refuse("snapshot", "config", "initiator", "ssl", "cookies", "reconnect", "timeout", "identity")
    return checked(Remote(protocol, name, hosts, None if auth is None else _login(auth, protocol), initiator), source)


def _initiator(source: Element) -> str:
    """Read who we are to an iSCSI target; nothing: whom QEMU takes itself for."""
    initiator = source.child("initiator")
    if initiator is None:
        return ""
    iqn = initiator.need_child("iqn")
    name = iqn.need("name")
    if not INITIATOR.match(name):
        raise iqn.bad(f"{name[:80]!r} is no iSCSI name, such as iqn.2026-01.org.example:guests")
    return name


def _host(host: Element, protocol: str) -> RemoteHost:
    transport = host.one_of("transport", ("tcp", "unix") if protocol == "nbd" else ("tcp",), "tcp")
    if transport == "unix":
        path = host.need("socket")
        if not path.startswith("/") or not path.isprintable():
            raise host.bad(f"the socket is {path[:80]!r}, expected an absolute path")
        return RemoteHost(socket=path)
    name = host.need("name")
    if not HOST.match(name):
        raise host.bad(f"the host {name[:80]!r} is no host name and no address")
    port = host.get("port")
    return RemoteHost(name, PORTS[protocol] if port is None else host.whole(port, "port", 1, PORT_MAX))


def _login(auth: Element, protocol: str) -> Login:
    if protocol not in LOGINS:
        raise Unsupported(f"there is no <auth> for protocol '{protocol}' (line {auth.line})", subject=auth.path)
    kind = LOGINS[protocol]
    auth.one_of("type", (kind,), kind)
    secret = auth.need_child("secret")
    secret.one_of("type", (USAGE_TYPES[kind],), USAGE_TYPES[kind])
    uuid, usage = secret.get("uuid"), secret.get("usage")
    if bool(uuid) == bool(usage):
        raise secret.bad("either uuid or usage says which secret it is")
    return Login(kind, auth.need("username"), Key(uuid or "", usage or ""))


def checked(remote: Remote, source: Element) -> Remote:
    """See that the parts a name must have are there."""
    if remote.protocol == "rbd" and not 2 <= len(remote.name.split("/")) <= 3:  # noqa: PLR2004  # pool/[namespace/]image
        raise source.bad(f"the name is {remote.name[:80]!r}, expected POOL/IMAGE")
    if remote.protocol == "iscsi":
        lun = remote.name.rpartition("/")[2] if "/" in remote.name else "0"
        if not (lun.isascii() and lun.isdecimal() and int(lun) <= LUN_MAX):
            raise source.bad(f"the name is {remote.name[:80]!r}, expected IQN/LUN")
    return remote


def remote_of(connection: dict[str, Any]) -> Remote:
    """Make a Remote of what the storage driver says of a volume."""
    auth = connection.get("auth")
    login = Login(auth["type"], auth["username"], Key(auth["secret_uuid"], auth["secret_usage"])) if auth else None
    port = PORTS[connection["protocol"]]
    hosts = tuple(RemoteHost(host["name"], host["port"] or port) for host in connection["hosts"])
    return Remote(connection["protocol"], connection["name"], hosts, login, connection.get("initiator", ""))


def query_of(login: Login) -> dict[str, str]:
    """The arguments that make the secret driver find the key."""
    if login.secret.uuid:
        return {"uuid": login.secret.uuid}
    return {"usage_type": USAGE_TYPES[login.type], "usage_id": login.secret.usage}


def key_for_qemu(login: Login, value: bytes) -> bytes:
    """Return a secret's value as QEMU's `secret` object must hold it: a CephX key raw, since QEMU itself encodes it."""
    if login.type != "ceph" or value[:2] in CEPH_KEY_TYPES:
        return value
    try:
        raw = base64.b64decode(value.strip(), validate=True)
    except binascii.Error:
        raw = b""
    if raw[:2] not in CEPH_KEY_TYPES:
        raise DriverError("the value of its secret is no CephX key", code=Code.INVALID_SECRET)
    return raw


def remote_node(remote: Remote, login_id: str, ceph_configuration: str) -> dict[str, Any]:
    """The protocol's block node; the key is in the object `login_id`."""
    make = {"rbd": _rbd, "iscsi": _iscsi, "nbd": _nbd}[remote.protocol]
    return make(remote, login_id, ceph_configuration)


def _rbd(remote: Remote, login_id: str, configuration: str) -> dict[str, Any]:
    pool, *namespace, image = remote.name.split("/")
    made: dict[str, Any] = {
        "driver": "rbd",
        "pool": pool,
        "image": image,
        "conf": configuration,
        "server": [{"host": host.name, "port": str(host.port)} for host in remote.hosts],
    }
    made |= {"namespace": namespace[0]} if namespace else {}
    if remote.login is None:
        return {**made, "auth-client-required": ["none"]}
    return {**made, "user": remote.login.username, "auth-client-required": ["cephx"], "key-secret": login_id}


def _iscsi(remote: Remote, login_id: str, _: str) -> dict[str, Any]:
    target, _, lun = remote.name.partition("/")
    (host,) = remote.hosts
    address = f"[{host.name}]" if ":" in host.name else host.name
    made = {"driver": "iscsi", "transport": "tcp", "portal": f"{address}:{host.port}", "target": target, "lun": int(lun or 0)}
    made |= {"initiator-name": remote.initiator} if remote.initiator else {}
    return made if remote.login is None else {**made, "user": remote.login.username, "password-secret": login_id}


def _nbd(remote: Remote, _login_id: str, _: str) -> dict[str, Any]:
    (host,) = remote.hosts
    server = {"type": "unix", "path": host.socket} if host.socket else {"type": "inet", "host": host.name, "port": str(host.port)}
    return {"driver": "nbd", "server": server, **({"export": remote.name} if remote.name else {})}
