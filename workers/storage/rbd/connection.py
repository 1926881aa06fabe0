"""One connection to a Ceph pool, and the primitive things that are done to an image in it."""

from __future__ import annotations

import ctypes
import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.storage.rbd.key import wire_key
from tierhost.workers.storage.rbd.library import EXTENT, Library

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK: Final = b"tierhost.making"
"""Attribute of an image's id object: "half TOKEN" while it is made, "whole TOKEN" afterwards. It goes with the image."""

MARK_BYTES_MAX: Final = 256
ID_BYTES: Final = 64
FEATURE_FAST_DIFF: Final = 1 << 4
FLAG_FAST_DIFF_INVALID: Final = 1 << 1
TIME_OUTS: Final = ("client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout")

Image = ctypes.c_void_p


class Connection:
    """Logged in to the cluster, with one pool open. Every call has a time-out, so none of them hangs for good."""

    def __init__(self, settings: dict[str, Any], key: bytes) -> None:
        self.library = Library()
        self.cluster = ctypes.c_void_p()
        self.pool = ctypes.c_void_p()
        user = settings["user"]
        options = {
            "mon_host": settings["mon_host"],
            "keyring": "/dev/null",
            "log_to_stderr": "false",
            "err_to_stderr": "false",
            **dict.fromkeys(TIME_OUTS, str(settings["limit_s"])),
            **({"auth_client_required": "cephx", "key": _checked(key)} if user else {"auth_client_required": "none"}),
        }
        # It reads no ceph.conf, so what is said here is all there is.
        self.library.call("rados_create", ctypes.byref(self.cluster), (user or "admin").encode())
        try:
            for name, value in options.items():
                self.library.call("rados_conf_set", self.cluster, name.encode(), value.encode())
            self.library.call("rados_connect", self.cluster)
            self._open_pool(settings["pool"])
            self.library.free("rados_ioctx_set_namespace", self.pool, settings["namespace"].encode())
        except OSError:
            self.library.free("rados_shutdown", self.cluster)
            raise

    def _open_pool(self, name: str) -> None:
        try:
            self.library.call("rados_ioctx_create", self.cluster, name.encode(), ctypes.byref(self.pool))
        except FileNotFoundError:
            raise OSError(errno.ENODEV, f"it has no pool '{name}'") from None

    def has_object(self, name: bytes) -> bool:
        """Whether an object is there; what its OSD answers, it answers now."""
        size = ctypes.c_uint64()
        try:
            self.library.call("rados_stat", self.pool, name, ctypes.byref(size), None)
        except FileNotFoundError:
            return False
        return True

    # Marks.

    def mark(self, name: str, words: str) -> None:
        """Mark an image."""
        text = words.encode()
        self.library.call("rados_setxattr", self.pool, id_object(name), MARK, text, len(text))

    def mark_of(self, name: str) -> str | None:
        """Return its mark, nothing if it has none, None if there is no image of this name."""
        found = ctypes.create_string_buffer(MARK_BYTES_MAX)
        try:
            length = self.library.call("rados_getxattr", self.pool, id_object(name), MARK, found, MARK_BYTES_MAX)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENODATA}:
                return None if error.errno == errno.ENOENT else ""
            raise
        return found.raw[:length].decode()

    # Images.

    @contextmanager
    def opened(self, name: str, *, write: bool = True) -> Iterator[Image]:
        """Open an image. Read-only it is not watched, so a death in here keeps nobody from removing it."""
        image = ctypes.c_void_p()
        self.library.call("rbd_open" if write else "rbd_open_read_only", self.pool, name.encode(), ctypes.byref(image), None)
        try:
            yield image
        finally:
            self.library.free("rbd_close", image)

    def remove(self, name: str) -> None:
        """Remove an image; one that is gone already is fine."""
        try:
            self.library.call("rbd_remove", self.pool, name.encode())
        except FileNotFoundError:
            return

    def size(self, image: Image) -> int:
        """Its bytes."""
        size = ctypes.c_uint64()
        self.library.call("rbd_get_size", image, ctypes.byref(size))
        return size.value

    def resize(self, image: Image, size: int) -> None:
        """Give it another size; whether it may shrink was asked before."""
        self.library.call("rbd_resize2", image, size, 1, None, None)

    def id(self, image: Image) -> str:
        """What tells it from another image of its name."""
        found = ctypes.create_string_buffer(ID_BYTES)
        self.library.call("rbd_get_id", image, found, ID_BYTES)
        return found.value.decode()

    def has_snapshots(self, image: Image) -> bool:
        """Whether it has any."""
        try:
            self.library.call("rbd_snap_list", image, None, ctypes.byref(ctypes.c_int(0)))
        except OSError as error:
            if error.errno == errno.ERANGE:
                return True  # there is more than nothing
            raise
        return False

    def allocation(self, image: Image) -> int:
        """How many bytes are in use: all, where finding out would mean to ask for every single object."""
        features, flags = ctypes.c_uint64(), ctypes.c_uint64()
        self.library.call("rbd_get_features", image, ctypes.byref(features))
        self.library.call("rbd_get_flags", image, ctypes.byref(flags))
        if not features.value & FEATURE_FAST_DIFF or flags.value & FLAG_FAST_DIFF_INVALID:
            return self.size(image)
        return sum(length for _, length in self.extents(image, whole_objects=True))

    def extents(self, image: Image, *, whole_objects: bool = False) -> list[tuple[int, int]]:
        """List where there is data: offset and length."""
        found: list[tuple[int, int]] = []

        def add(offset: int, length: int, is_there: int, _: Any) -> int:
            if is_there:
                found.append((offset, length))
            return 0

        self.library.call("rbd_diff_iterate2", image, None, 0, self.size(image), 1, int(whole_objects), EXTENT(add), None)
        return found

    def read(self, image: Image, offset: int, length: int) -> bytes:
        """Read a piece; less at the end."""
        length = min(length, max(0, self.size(image) - offset))
        if not length:
            return b""
        found = ctypes.create_string_buffer(length)
        count = self.library.call("rbd_read", image, offset, length, found)
        return found.raw[:count]

    def write(self, image: Image, offset: int, data: bytes) -> None:
        """Write a piece."""
        self.library.call("rbd_write", image, offset, len(data), data)

    def flush(self, image: Image) -> None:
        """Make what was written durable."""
        self.library.call("rbd_flush", image)


def id_object(name: str) -> bytes:
    """Name the object that leads from an image's name to its id (part of Ceph's documented format)."""
    return b"rbd_id." + name.encode()


def _checked(key: bytes) -> str:
    text = wire_key(key)
    if not text:
        raise OSError(errno.EKEYREJECTED, "the secret's value is no CephX key")
    return text
