"""Tap devices that the network driver made: opened for a guest's QEMU to inherit."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from typing import Final

from tierhost.workers.runtime.contract import Code, DriverError

TUN: Final = "/dev/net/tun"
TUNSETIFF: Final = 0x400454CA
IFF_TAP: Final = 0x0002
IFF_NO_PI: Final = 0x1000
IFF_VNET_HDR: Final = 0x4000


def open_tap(name: str) -> int:
    """Open a tap device that exists, as QEMU wants it. Raises DriverError; the caller closes the descriptor."""
    index = _index(name)
    fd = os.open(TUN, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
        if _index(name) != index:
            # It went away in between, and this is a fresh one that leads nowhere; it goes with its descriptor.
            raise _gone(name)
    except OSError as error:
        os.close(fd)
        in_use = "another process has it open" if error.errno == errno.EBUSY else error.strerror
        raise DriverError(f"cannot open the tap {name}: {in_use}", code=Code.SYSTEM_ERROR) from None
    except DriverError:
        os.close(fd)
        raise
    return fd


def _index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        raise _gone(name) from None


def _gone(name: str) -> DriverError:
    hint = "`tierhost reload network` brings back what is missing of networks and ports"
    return DriverError(f"the tap {name} does not exist", code=Code.OPERATION_FAILED, hint=hint)
