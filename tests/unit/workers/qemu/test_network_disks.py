"""Network disks: what is read of their XML, what is refused, and what QEMU is told."""

from __future__ import annotations

import base64

import pytest

from tierhost.workers.qemu.blocks import Place, block_nodes
from tierhost.workers.qemu.disk_xml import disk_from_text
from tierhost.workers.qemu.domain import Key, Login, Remote, RemoteHost
from tierhost.workers.qemu.network_disks import key_for_qemu, query_of, remote_node, remote_of
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.definitions import BadDefinition, Unsupported

CEPH_LOGIN = Login("ceph", "libvirt", Key(usage="client.libvirt secret"))
RAW_KEY = bytes.fromhex("0100") + bytes(8) + bytes.fromhex("1000") + bytes(range(16))


def disk(source: str, inside: str = "") -> str:
    return f"<disk type='network'>{source}<target dev='vda'/>{inside}</disk>"


def test_an_rbd_disk_is_read() -> None:
    auth = "<auth type='ceph' username='libvirt'><secret type='ceph' usage='client.libvirt secret'/></auth>"
    hosts = "<host name='mon1'/><host name='fd00::2' port='3300'/>"
    found, unread = disk_from_text(disk(f"<source protocol='rbd' name='rbd/web'>{hosts}{auth}</source>"))
    assert found.remote == Remote("rbd", "rbd/web", (RemoteHost("mon1", 6789), RemoteHost("fd00::2", 3300)), CEPH_LOGIN)
    assert unread == []
    assert found.has_medium


def test_auth_is_read_where_libvirt_wrote_it_first() -> None:
    auth = "<auth username='u'><secret type='iscsi' usage='s'/></auth>"
    found, _ = disk_from_text(disk("<source protocol='iscsi' name='iqn.x:y/2'><host name='h'/></source>", auth))
    assert found.remote is not None
    assert found.remote.login == Login("chap", "u", Key(usage="s"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("<source protocol='gopher' name='x'><host name='h'/></source>", "expected one of rbd, iscsi, nbd"),
        ("<source protocol='rbd' name='x'><host name='h'/></source>", "expected POOL/IMAGE"),
        ("<source protocol='rbd' name='rbd/x@snap'><host name='h'/></source>", "the name is"),
        ("<source protocol='rbd' name='rbd/x'/>", "there are 0 <host>"),
        ("<source protocol='rbd' name='rbd/x'><host name='a,b'/></source>", "no host name"),
        ("<source protocol='rbd' name='rbd/x'><host name='h' port='99999'/></source>", "port is 99999"),
        ("<source protocol='iscsi' name='iqn.x/nine'><host name='h'/></source>", "expected IQN/LUN"),
        ("<source protocol='nbd' name='x'><host name='a'/><host name='b'/></source>", "there are 2 <host>"),
        ("<source protocol='nbd'><host transport='unix' socket='x'/></source>", "an absolute path"),
        ("<source protocol='rbd' name='r/x'><host name='h'/><auth type='chap' username='u'/></source>", "one of ceph"),
        (
            "<source protocol='rbd' name='r/x'><host name='h'/><auth username='u'><secret/></auth></source>",
            "either uuid or usage",
        ),
    ],
)
def test_what_makes_no_sense_is_named(source: str, words: str) -> None:
    with pytest.raises(BadDefinition, match=words):
        disk_from_text(disk(source))


@pytest.mark.parametrize(
    "source",
    [
        "<source protocol='rbd' name='r/x'><host name='h'/><snapshot name='s'/></source>",
        "<source protocol='rbd' name='r/x'><host name='h'/><config file='/etc/x'/></source>",
        "<source protocol='rbd' name='r/x'><host name='h'/><encryption format='luks'/></source>",
        "<source protocol='nbd' name='x' tls='yes'><host name='h'/></source>",
        "<source protocol='nbd' name='x'><host name='h'/><auth username='u'><secret usage='s'/></auth></source>",
    ],
)
def test_what_touches_safety_is_refused(source: str) -> None:
    with pytest.raises((Unsupported, BadDefinition), match=r"not be safe|not supported|no <auth>|is missing"):
        disk_from_text(disk(source))


def test_qemu_s_node_names_the_object_that_has_the_key_and_never_the_key() -> None:
    found, _ = disk_from_text(disk("<source protocol='rbd' name='rbd/space/web'><host name='mon1'/></source>"))
    remote = Remote("rbd", "rbd/space/web", (RemoteHost("mon1", 6789),), CEPH_LOGIN)
    node = block_nodes(found, Place("", "raw", "network", remote, "/run/x/ceph.conf"))
    assert node["driver"] == "raw"
    assert node["file"] == {
        "driver": "rbd",
        "pool": "rbd",
        "namespace": "space",
        "image": "web",
        "conf": "/run/x/ceph.conf",
        "server": [{"host": "mon1", "port": "6789"}],
        "user": "libvirt",
        "auth-client-required": ["cephx"],
        "key-secret": "login-vda",
        "node-name": "disk-vda-file",
        "cache": {"direct": False, "no-flush": False},
        "read-only": False,
        "discard": "ignore",
    }


def test_iscsi_and_nbd_have_nodes_of_their_own() -> None:
    iscsi = Remote("iscsi", "iqn.x:y/2", (RemoteHost("fd00::1", 3260),), Login("chap", "u", Key(uuid="k")))
    assert remote_node(iscsi, "login-sda", "") == {
        "driver": "iscsi",
        "transport": "tcp",
        "portal": "[fd00::1]:3260",
        "target": "iqn.x:y",
        "lun": 2,
        "user": "u",
        "password-secret": "login-sda",
    }
    nbd = Remote("nbd", "", (RemoteHost(socket="/run/nbd"),))
    assert remote_node(nbd, "", "") == {"driver": "nbd", "server": {"type": "unix", "path": "/run/nbd"}}
    assert remote_node(Remote("nbd", "e", (RemoteHost("h", 10809),)), "", "")["export"] == "e"


def test_what_storage_says_of_a_volume_becomes_the_same() -> None:
    auth = {"type": "ceph", "username": "libvirt", "secret_uuid": "", "secret_usage": "client.libvirt secret"}
    hosts = [{"name": "mon1", "port": 0}]
    connection = {"type": "network", "protocol": "rbd", "name": "rbd/web", "hosts": hosts, "auth": auth}
    assert remote_of(connection) == Remote("rbd", "rbd/web", (RemoteHost("mon1", 6789),), CEPH_LOGIN)
    assert remote_of({**connection, "auth": None}).login is None


def test_a_secret_is_asked_for_by_uuid_or_by_usage() -> None:
    assert query_of(CEPH_LOGIN) == {"usage_type": "ceph", "usage_id": "client.libvirt secret"}
    assert query_of(Login("chap", "u", Key(usage="s"))) == {"usage_type": "iscsi", "usage_id": "s"}
    assert query_of(Login("chap", "u", Key(uuid="k"))) == {"uuid": "k"}


def test_a_ceph_key_reaches_qemu_raw_however_it_is_kept() -> None:
    assert key_for_qemu(CEPH_LOGIN, RAW_KEY) == RAW_KEY
    assert key_for_qemu(CEPH_LOGIN, base64.b64encode(RAW_KEY) + b"\n") == RAW_KEY
    assert key_for_qemu(Login("chap", "u", Key(usage="s")), b"pass") == b"pass"
    with pytest.raises(DriverError, match="no CephX key") as caught:
        key_for_qemu(CEPH_LOGIN, b"pass")
    assert caught.value.code is Code.INVALID_SECRET
