"""What a pool's volumes are asked, in the envoy's process: each public method is one call."""

from __future__ import annotations

import ctypes
import errno
import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.storage.rbd.connection import Connection, id_object
from tierhost.workers.storage.rbd.library import ClusterStat, ImageSpec, PoolStat

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.workers.storage.rbd.connection import Image

PIECE_BYTES: Final = 4 << 20

Answer = tuple[Any, bytes]


def open_storage(settings: dict[str, Any], key: bytes) -> Images:
    """Connect to the cluster and its pool. Raises OSError: EACCES for a wrong key, ETIMEDOUT for silence."""
    return Images(Connection(settings, key))


class Images:
    """The calls. Each opens the image it needs, and nothing stays open in between."""

    def __init__(self, connection: Connection) -> None:
        self._there = connection

    # The pool.

    def ping(self, **_: Any) -> Answer:
        """Ask an OSD something, so that silence is noticed; and the monitors, if it was silent before: it may have moved."""
        library = self._there.library
        if library.silent.is_set():
            library.call("rados_wait_for_latest_osdmap", self._there.cluster)
        self._there.has_object(b"rbd_directory")
        library.silent.clear()
        return None, b""

    def space(self, **_: Any) -> Answer:
        """Bytes: of the cluster, those of this pool, and what is left. Without a manager daemon the cluster says zero."""
        cluster, pool = ClusterStat(), PoolStat()
        self._there.library.call("rados_cluster_stat", self._there.cluster, ctypes.byref(cluster))
        self._there.library.call("rados_ioctx_pool_stat", self._there.pool, ctypes.byref(pool))
        return [cluster.kb << 10, pool.num_bytes, cluster.kb_avail << 10], b""

    def names(self, **_: Any) -> Answer:
        """List the images."""
        library, count = self._there.library, ctypes.c_size_t(64)
        while True:
            specs = (ImageSpec * count.value)()
            try:
                library.call("rbd_list2", self._there.pool, specs, ctypes.byref(count))
            except OSError as error:
                if error.errno == errno.ERANGE:
                    continue  # count now says how many
                raise
            try:
                return [spec.name.decode(errors="backslashreplace") for spec in specs[: count.value]], b""
            finally:
                library.free("rbd_image_spec_list_cleanup", specs, count.value)

    # One image.

    def exists(self, *, name: str, **_: Any) -> Answer:
        """Whether there is an image of this name."""
        return self._there.has_object(id_object(name)), b""

    def look(self, *, name: str, **_: Any) -> Answer:
        """Size, id, and how many bytes of it are in use."""
        there = self._there
        with there.opened(name, write=False) as image:
            return {"size": there.size(image), "id": there.id(image), "allocation": there.allocation(image)}, b""

    def read(self, *, name: str, offset: int, length: int, **_: Any) -> Answer:
        """Read a piece."""
        with self._there.opened(name, write=False) as image:
            return None, self._there.read(image, offset, length)

    def write(self, *, name: str, offset: int, data: bytes, **_: Any) -> Answer:
        """Write a piece, durably."""
        with self._there.opened(name) as image:
            self._there.write(image, offset, data)
            self._there.flush(image)
        return None, b""

    def wipe(self, *, name: str, deadline_s: float, **_: Any) -> Answer:
        """Overwrite with zeros whatever was written; says how far it came: the size if it is done."""
        there, zeros = self._there, bytes(PIECE_BYTES)
        with there.opened(name) as image:
            done = self._each_piece(image, deadline_s, lambda offset, length: there.write(image, offset, zeros[:length]))
            there.flush(image)
        return done, b""

    def resize(self, *, name: str, size: int, **_: Any) -> Answer:
        """Give it another size."""
        with self._there.opened(name) as image:
            self._there.resize(image, size)
        return None, b""

    def remove(self, *, name: str, **_: Any) -> Answer:
        """Remove it; ENOTEMPTY while it has snapshots, EBUSY while somebody has it open."""
        self._there.remove(name)
        return None, b""

    # Making. An image is marked as ours before it has any size, and as whole when it is.

    def make(self, *, name: str, token: str, size: int, original: str, deadline_s: float, **_: Any) -> Answer:
        """Make an image, with the contents of another one of this pool if that is named. Returns its id."""
        there = self._there
        there.library.call("rbd_create", there.pool, name.encode(), 0, ctypes.byref(ctypes.c_int(0)))
        there.mark(name, f"half {token}")
        with there.opened(name) as image:
            there.resize(image, size)
            if original:
                self._copy(original, image, deadline_s)
            return there.id(image), b""

    def _copy(self, original: str, image: Image, deadline_s: float) -> None:
        there = self._there
        with there.opened(original, write=False) as source:
            done = self._each_piece(
                source, deadline_s, lambda offset, length: there.write(image, offset, there.read(source, offset, length))
            )
            if done < there.size(source):
                raise OSError(errno.ETIME, f"copied {done} bytes in the time the caller gave")
        there.flush(image)

    def publish(self, *, name: str, token: str, **_: Any) -> Answer:
        """Mark it as whole."""
        self._there.mark(name, f"whole {token}")
        return None, b""

    def settle(self, *, name: str, token: str, **_: Any) -> Answer:
        """Return the id of an image that is whole by its mark; else nothing, after removing it if it is half made."""
        mark = self._there.mark_of(name)
        if mark == f"whole {token}":
            with self._there.opened(name, write=False) as image:
                return self._there.id(image), b""
        if mark == f"half {token}" or (mark == "" and self._is_beginning(name)):
            self._there.remove(name)
        return None, b""

    def unmake(self, *, name: str, token: str, **_: Any) -> Answer:
        """Remove what was made under this token, whole or not."""
        mark = self._there.mark_of(name)
        if mark in {f"whole {token}", f"half {token}"} or (mark == "" and self._is_beginning(name)):
            self._there.remove(name)
        return None, b""

    def _is_beginning(self, name: str) -> bool:
        """Whether an image without a mark was created and not yet marked: nothing is in there, and never was."""
        try:
            with self._there.opened(name, write=False) as image:
                return self._there.size(image) == 0 and not self._there.has_snapshots(image)
        except FileNotFoundError:
            return True  # its creation itself was cut short: removing takes away what there is of it

    def _each_piece(self, image: Image, deadline_s: float, act: Callable[[int, int], None]) -> int:
        """Call `act` with offset and length of every piece that has data; return how far the time was enough for."""
        for start, total in self._there.extents(image):
            for offset in range(start, start + total, PIECE_BYTES):
                if time.monotonic() > deadline_s:
                    return offset
                act(offset, min(PIECE_BYTES, start + total - offset))
        return self._there.size(image)
