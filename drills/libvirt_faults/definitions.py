"""Definitions that libvirt and we read alike: the least possible secret, pool, volume and guest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

EPHEMERAL: Final = """<secret ephemeral='yes' private='no'>
  <usage type='volume'><volume>/drill/{name}</volume></usage>
</secret>"""

POOL: Final = "<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"

VOLUME: Final = "<volume><name>{name}</name><capacity unit='KiB'>64</capacity><target><format type='raw'/></target></volume>"

GUEST: Final = """<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>16</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>{disk}
    <memballoon model='none'/>
  </devices>
</domain>"""

DISK: Final = """
    <disk type='volume' device='disk'>
      <driver name='qemu' type='raw'/>
      <source pool='{pool}' volume='{volume}'/>
      <target dev='vda' bus='virtio'/>
    </disk>"""


def secret(name: str) -> str:
    """Define a secret whose value may be read back, and that need not survive a reboot."""
    return EPHEMERAL.format(name=name)


def pool(name: str, path: Path) -> str:
    """Define a pool that is a directory."""
    return POOL.format(name=name, path=path)


def volume(name: str) -> str:
    """Define a volume of one raw file."""
    return VOLUME.format(name=name)


def guest(name: str, pool: str = "", volume: str = "") -> str:
    """Define a guest that does nothing, on no disk or on a volume."""
    return GUEST.format(name=name, disk=DISK.format(pool=pool, volume=volume) if pool else "")
