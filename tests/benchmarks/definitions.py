"""The same definitions for libvirtd and for us: secrets, pools and guests of the least possible size."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SECRET_BYTES = 64
NAMESPACE = uuid.UUID("5f6d7a70-3b5c-4d51-9d0e-7d2c1a6e9b10")

SECRET = """<secret ephemeral='no' private='no'>
  <uuid>{uuid}</uuid>
  <usage type='volume'><volume>/bench/secret-{number}</volume></usage>
</secret>"""

POOL = """<pool type='dir'>
  <name>pool-{number}</name>
  <uuid>{uuid}</uuid>
  <target><path>{path}</path></target>
</pool>"""

GUEST = """<domain type='qemu'>
  <name>guest-{number}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>16</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>{disk}
    <memballoon model='none'/>
  </devices>
</domain>"""

VOLUME = "<volume><name>disk</name><capacity unit='KiB'>64</capacity><target><format type='raw'/></target></volume>"

VOLUME_DISK = """
    <disk type='volume' device='disk'>
      <driver name='qemu' type='raw'/>
      <source pool='{pool}' volume='disk'/>
      <target dev='vda' bus='virtio'/>
    </disk>"""


@dataclass(frozen=True, slots=True)
class Set:
    """How many of each kind."""

    secrets: int
    pools: int
    guests: int


def secret_uuid(number: int) -> str:
    """The name of one secret."""
    return str(uuid.uuid5(NAMESPACE, f"secret {number}"))


def secrets(count: int) -> list[tuple[str, bytes]]:
    """Definition and value of each secret."""
    return [(SECRET.format(uuid=secret_uuid(number), number=number), secret_value(number)) for number in range(count)]


def secret_value(number: int) -> bytes:
    """64 bytes, as a LUKS key may have."""
    return base64.b64encode(number.to_bytes(48, "big"))[:SECRET_BYTES]


def pools(count: int, below: Path) -> list[tuple[str, str]]:
    """Name and definition of each pool; its directory is made."""
    made = []
    for number in range(count):
        path = below / f"pool-{number}"
        path.mkdir(parents=True, exist_ok=True)
        made.append((f"pool-{number}", POOL.format(number=number, uuid=uuid.uuid5(NAMESPACE, f"pool {number}"), path=path)))
    return made


def guests(count: int, pool: str = "") -> list[tuple[str, str]]:
    """Name and definition of each guest: BIOS, no disk (or the volume "disk" of one pool), 16 MiB, nothing to do."""
    disk = VOLUME_DISK.format(pool=pool) if pool else ""
    return [
        (f"guest-{number}", GUEST.format(number=number, uuid=uuid.uuid5(NAMESPACE, f"guest {number}"), disk=disk))
        for number in range(count)
    ]
