"""Tap devices: a network card's other end. Made whole in one step, so that one we die over is either gone or known as ours."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import Final

from tierhost.workers.runtime.contract import Code, DriverError

TUN: Final = "/dev/net/tun"
TUNSETIFF: Final = 0x400454CA
TUNSETPERSIST: Final = 0x400454CB
SIOCSIFHWADDR: Final = 0x8924
ARPHRD_ETHER: Final = 1
IFF_TAP: Final = 0x0002
IFF_NO_PI: Final = 0x1000
IFF_VNET_HDR: Final = 0x4000
IFF_TUN_EXCL: Final = 0x8000
"""Fail if there is a device of this name: never take over one that somebody else made."""

TAKEN: Final = frozenset({errno.EBUSY, errno.EEXIST, errno.EINVAL})
"""How the kernel says that a name is in use: by a tap, by us, by a device of another kind."""


class NameTaken(DriverError):
    """Raised when a device of this name exists already, and is not ours."""

    code = Code.OPERATION_FAILED


def tap_mac(guest_mac: str) -> str:
    """The host's end of a guest's card, as libvirt names it: with fe in front, so that no bridge takes it for its own."""
    return f"fe{guest_mac[2:]}"


def make_tap(name: str, mac: str) -> None:
    """Make a tap device that stays, down and in no bridge. Raises NameTaken or DriverError."""
    try:
        fd = os.open(TUN, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        hint = "is the kernel built with CONFIG_TUN, and is tierhost root?"
        raise DriverError(f"cannot open {TUN}: {error.strerror}", code=Code.SYSTEM_ERROR, hint=hint) from None
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL))
        fcntl.ioctl(fd, SIOCSIFHWADDR, struct.pack("16sH6s8x", name.encode(), ARPHRD_ETHER, bytes.fromhex(mac.replace(":", ""))))
        # Only from here on does it outlive this descriptor: whoever finds it later finds it with its MAC.
        fcntl.ioctl(fd, TUNSETPERSIST, 1)
    except OSError as error:
        if error.errno in TAKEN:
            raise NameTaken(f"a device {name} exists already", subject=f"device {name}") from None
        raise DriverError(f"cannot make the tap {name}: {error.strerror}", code=Code.SYSTEM_ERROR) from None
    finally:
        os.close(fd)
