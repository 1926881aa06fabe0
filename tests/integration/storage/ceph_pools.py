"""Definitions of pools and volumes on the test cluster, and the process that speaks for a pool."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.ceph_cluster import POOL, USER
from tierhost.workers.runtime import detached

if TYPE_CHECKING:
    from tests.ceph_cluster import Cluster
    from tests.integration.storage.lives import Life

SECRET = "<secret usage='client.libvirt secret'/>"


def rbd_pool(ceph: Cluster, name: str = "vault", *, user: str = USER, pool: str = POOL, secret: str = SECRET) -> str:
    """A pool's XML; without a user it has no <auth>."""
    auth = f"<auth type='ceph' username='{user}'>{secret}</auth>" if user else ""
    source = f"<source><name>{pool}</name><host name='{ceph.address}'/>{auth}</source>"
    return f"<pool type='rbd'><name>{name}</name>{source}</pool>"


def secrets(ceph: Cluster) -> dict[str, bytes]:
    """The secrets by usage, as the secret driver would have them."""
    return {"client.libvirt secret": ceph.keys[f"client.{USER}"], "another's": ceph.keys["client.none"], "no key": b"not a key"}


def volume(name: str, capacity: int = 8 << 20, inside: str = "") -> str:
    """A volume's XML."""
    return f"<volume><name>{name}</name><capacity>{capacity}</capacity>{inside}</volume>"


def envoys() -> list[int]:
    """The processes of ours that speak for pools."""
    ours = f"PPid:\t{os.getpid()}\n"
    return [pid for pid, args in detached.command_lines() if any("envoy_process" in arg for arg in args) and ours in status(pid)]


def status(pid: int) -> str:
    """What the kernel says of a process; nothing once it is gone."""
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""


def start(life: Life, ceph: Cluster) -> None:
    """Define and start the pool "vault"."""
    life.driver.storage_pool_define_xml(rbd_pool(ceph))
    life.driver.storage_pool_create("vault")
