"""One session with an iSCSI target, logged in with CHAP, and the SCSI commands that are sent in it."""

from __future__ import annotations

import ctypes
import errno
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.storage.iscsi.library import Capacity, Inquiry, Library, Piece, Serial, UnitList, failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SESSION_NORMAL: Final = 2
DIGEST_NONE_OR_CRC32C: Final = 1
SYN_COUNT: Final = 2
UNITS_MAX: Final = 256
ANSWER_BYTES: Final = 16 + 8 * UNITS_MAX
DISK: Final = 0
SERIAL_PAGE: Final = 0x80
PASSWORD_BYTES_MAX: Final = 255
PIECE_BYTES: Final = 128 << 10
"""Of one command: what every target takes."""

READY_TRIES: Final = 5
FLAT_ADDRESS: Final = 1


class Session:
    """Each command has a time-out, so none of them hangs for good. Not for two threads at once."""

    def __init__(self, library: Library, settings: dict[str, Any], password: bytes) -> None:
        self._library = library
        self._context = library.call("iscsi_create_context", settings["initiator"].encode())
        if not self._context:
            raise OSError(errno.ENOMEM, "libiscsi made no context")
        try:
            self._log_in(settings, password)
        except OSError:
            library.call("iscsi_destroy_context", self._context)
            raise

    def _log_in(self, settings: dict[str, Any], password: bytes) -> None:
        self._do("iscsi_set_timeout", settings["limit_s"])
        self._library.call("iscsi_set_tcp_syncnt", self._context, SYN_COUNT)
        # A session that broke is over: what it was asked may have happened, and is said to be unanswered.
        self._library.call("iscsi_set_noautoreconnect", self._context, 1)
        if settings["user"]:
            self._do("iscsi_set_initiator_username_pwd", settings["user"].encode(), checked_password(password))
        self._do("iscsi_set_session_type", SESSION_NORMAL)
        self._do("iscsi_set_targetname", settings["target"].encode())
        self._do("iscsi_set_header_digest", DIGEST_NONE_OR_CRC32C)
        _knock(settings["host"], settings["port"], settings["limit_s"])
        self._do("iscsi_connect_sync", portal(settings["host"], settings["port"]).encode())
        self._do("iscsi_login_sync")

    def close(self) -> None:
        """Log out, if anybody listens, and give everything back."""
        self._library.call("iscsi_logout_sync", self._context)
        self.abandon()

    def abandon(self) -> None:
        """Give everything back without another word to the target."""
        self._library.call("iscsi_destroy_context", self._context)

    # Units.

    def units(self) -> list[int]:
        """List the numbers of the target's units, disks or not."""

        def take(found: Any) -> list[int]:
            place = ctypes.addressof(found) + UnitList.luns.offset
            return [unit_number(field) for field in (ctypes.c_uint16 * found.num).from_address(place)]

        listed: list[int] = self._answer(UnitList, take, "iscsi_reportluns_sync", 0, ANSWER_BYTES)
        return listed

    def is_disk(self, unit: int) -> bool:
        """Whether a unit is a disk that is there; a target may have a controller, or a tape."""
        return bool(self._answer(Inquiry, lambda found: (found.qualifier, found.device_type) == (0, DISK), *_inquiry(unit)))

    def serial(self, unit: int) -> str:
        """What tells a unit from another one of its number; nothing if it does not say."""

        def take(found: Any) -> str:
            return (found.number or b"").decode(errors="replace").strip()

        try:
            return str(self._answer(Serial, take, *_inquiry(unit, SERIAL_PAGE)))
        except OSError as error:
            if error.errno in {errno.ETIMEDOUT, errno.ENOENT}:
                raise
            return ""

    def size(self, unit: int) -> tuple[int, int]:
        """Blocks, and bytes of a block."""
        self._be_ready(unit)
        found: tuple[int, int] = self._answer(
            Capacity, lambda found: (found.last_block + 1, found.block_bytes), "iscsi_readcapacity16_sync", unit
        )
        return found

    def _be_ready(self, unit: int) -> None:
        """Make the unit ready: the first command to each one in a session is only told that there is a session."""
        for tried in range(READY_TRIES):
            try:
                self._answer(None, lambda _: None, "iscsi_testunitready_sync", unit)
            except OSError as error:
                if tried == READY_TRIES - 1 or error.errno != errno.EIO:
                    raise
            else:
                return

    # Blocks. Offsets and lengths are whole blocks.

    def read(self, unit: int, block_bytes: int, offset: int, length: int) -> bytes:
        """Read."""
        found = ctypes.create_string_buffer(length)
        for start in range(0, length, PIECE_BYTES):
            count = min(PIECE_BYTES, length - start)
            piece = Piece(ctypes.addressof(found) + start, count)
            block = (offset + start) // block_bytes
            arguments = (unit, block, count, block_bytes, 0, 0, 0, 0, 0, ctypes.byref(piece), 1)
            self._answer(None, lambda _: None, "iscsi_read16_iov_sync", *arguments)
        return found.raw

    def write(self, unit: int, block_bytes: int, offset: int, data: bytes) -> None:
        """Write; durable after `flush`."""
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            block = (offset + start) // block_bytes
            arguments = (unit, block, piece, len(piece), block_bytes, 0, 0, 0, 0, 0)
            self._answer(None, lambda _: None, "iscsi_write16_sync", *arguments)

    def flush(self, unit: int) -> None:
        """Make durable what was written."""
        self._answer(None, lambda _: None, "iscsi_synchronizecache16_sync", unit, 0, 0, 0, 0)

    # The library.

    def _do(self, name: str, *arguments: Any) -> None:
        if self._library.call(name, self._context, *arguments):
            raise failure(self._words())

    def _answer(self, kind: Any, take: Callable[[Any], Any], name: str, *arguments: Any) -> Any:
        task = self._library.call(name, self._context, *arguments)
        if not task:
            raise failure(self._words())
        try:
            if task.contents.status:
                raise failure(self._words())
            if kind is None:
                return None
            found = self._library.call("scsi_datain_unmarshall", task)
            if not found:
                raise OSError(errno.EPROTO, f"its answer to {name} makes no sense")
            return take(ctypes.cast(found, ctypes.POINTER(kind)).contents)
        finally:
            self._library.call("scsi_free_scsi_task", task)

    def _words(self) -> str:
        return (self._library.call("iscsi_get_error", self._context) or b"").decode(errors="replace")


@contextmanager
def session(library: Library, settings: dict[str, Any], password: bytes) -> Iterator[Session]:
    """Have a session for a few commands. Logging in takes a millisecond or two, and no session is ever found broken."""
    made = Session(library, settings, password)
    try:
        yield made
    except OSError as error:
        if error.errno == errno.ETIMEDOUT:
            made.abandon()  # a word of farewell would wait as long again
        else:
            made.close()
        raise
    else:
        made.close()


def _inquiry(unit: int, page: int = 0) -> tuple[str, int, int, int, int]:
    return "iscsi_inquiry_sync", unit, int(page != 0), page, UNITS_MAX - 1


def _knock(host: str, port: int, limit_s: float) -> None:
    """See whether somebody listens: the library itself would wait for the kernel to give up, and has no limit for that."""
    began_s = time.monotonic()
    try:
        with socket.create_connection((host.strip("[]"), port), limit_s):
            return
    except TimeoutError:
        raise OSError(errno.ETIMEDOUT, f"no answer within {time.monotonic() - began_s:.1f} s") from None
    except socket.gaierror as error:
        raise OSError(errno.EHOSTUNREACH, f"its name cannot be resolved: {error.strerror}") from None


def checked_password(password: bytes) -> bytes:
    """Return a password that the library takes as it is; it takes C's texts, and cuts what is too long."""
    if not password or b"\0" in password or len(password) > PASSWORD_BYTES_MAX:
        raise OSError(errno.EKEYREJECTED, "no CHAP password")
    return password


def portal(host: str, port: int) -> str:
    """Write a portal's address."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def unit_number(field: int) -> int:
    """Read a unit's number out of the first two bytes of its address: flat, or a device of bus 0."""
    return field & 0x3FFF if field >> 14 == FLAT_ADDRESS else field & 0xFF
