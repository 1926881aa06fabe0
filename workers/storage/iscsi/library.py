"""libiscsi by ctypes: the functions used here, their types, and its words made into errors with a number."""

from __future__ import annotations

import ctypes
import errno
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any, Final


class Task(ctypes.Structure):
    """struct scsi_task: only the first field is of interest."""

    _fields_ = (("status", c_int),)


class UnitList(ctypes.Structure):
    """struct scsi_reportluns_list."""

    _fields_ = (("num", c_uint32), ("luns", c_uint16 * 1))


class Capacity(ctypes.Structure):
    """struct scsi_readcapacity16."""

    _fields_ = (("last_block", c_uint64), ("block_bytes", c_uint32))


class Inquiry(ctypes.Structure):
    """struct scsi_inquiry_standard: its beginning."""

    _fields_ = (("qualifier", c_int), ("device_type", c_int))


class Serial(ctypes.Structure):
    """struct scsi_inquiry_unit_serial_number."""

    _fields_ = (("qualifier", c_int), ("device_type", c_int), ("page", c_int), ("number", c_char_p))


class Piece(ctypes.Structure):
    """struct scsi_iovec, which is POSIX's."""

    _fields_ = (("base", c_void_p), ("length", c_size_t))


_TASK: Final = POINTER(Task)
_PROTOTYPES: Final[dict[str, tuple[Any, ...]]] = {
    "iscsi_create_context": (c_void_p, c_char_p),
    "iscsi_destroy_context": (c_int, c_void_p),
    "iscsi_get_error": (c_char_p, c_void_p),
    "iscsi_set_targetname": (c_int, c_void_p, c_char_p),
    "iscsi_set_session_type": (c_int, c_void_p, c_int),
    "iscsi_set_timeout": (c_int, c_void_p, c_int),
    "iscsi_set_header_digest": (c_int, c_void_p, c_int),
    "iscsi_set_noautoreconnect": (c_int, c_void_p, c_int),
    "iscsi_set_tcp_syncnt": (c_int, c_void_p, c_int),
    "iscsi_set_initiator_username_pwd": (c_int, c_void_p, c_char_p, c_char_p),
    "iscsi_connect_sync": (c_int, c_void_p, c_char_p),
    "iscsi_login_sync": (c_int, c_void_p),
    "iscsi_logout_sync": (c_int, c_void_p),
    "iscsi_testunitready_sync": (_TASK, c_void_p, c_int),
    "iscsi_reportluns_sync": (_TASK, c_void_p, c_int, c_int),
    "iscsi_inquiry_sync": (_TASK, c_void_p, c_int, c_int, c_int, c_int),
    "iscsi_readcapacity16_sync": (_TASK, c_void_p, c_int),
    "iscsi_read16_iov_sync": (_TASK, c_void_p, c_int, c_uint64, c_uint32, *([c_int] * 6), POINTER(Piece), c_int),
    "iscsi_write16_sync": (_TASK, c_void_p, c_int, c_uint64, c_char_p, c_uint32, *([c_int] * 6)),
    "iscsi_synchronizecache16_sync": (_TASK, c_void_p, c_int, c_uint64, c_uint32, c_int, c_int),
    "scsi_datain_unmarshall": (c_void_p, c_void_p),
    "scsi_free_scsi_task": (None, c_void_p),
}
"""Result and arguments of each function."""

WORDS: Final = (
    ("Authentication failure", errno.EACCES),
    ("Authorization failure", errno.EPERM),
    ("CHAP", errno.EACCES),
    ("Target not found", errno.ENODEV),
    ("Target removed", errno.ENODEV),
    ("LOGICAL_UNIT_NOT_SUPPORTED", errno.ENOENT),
    ("WRITE_PROTECTED", errno.EROFS),
    ("DATA_PROTECTION", errno.EROFS),
    ("MEDIUM_ERROR", errno.EIO),
    ("onnection refused", errno.ECONNREFUSED),
    ("No route to host", errno.EHOSTUNREACH),
    ("unreachable", errno.EHOSTUNREACH),
    ("resolve", errno.EHOSTUNREACH),
    ("timed out", errno.ETIMEDOUT),
    ("imeout", errno.ETIMEDOUT),
    ("onnection", errno.ETIMEDOUT),
    ("socket", errno.ETIMEDOUT),
    ("disconnect", errno.ETIMEDOUT),
)
"""What its errors are, by what they contain: it has words only. The first that fits counts."""


class Library:
    """libiscsi. Each function is an attribute, by its name in C."""

    def __init__(self) -> None:
        try:
            library = ctypes.CDLL("libiscsi.so.7")
        except OSError as error:
            raise OSError(errno.ENOSYS, f"libiscsi is not installed ({error}); Debian: libiscsi7") from None
        self._functions: dict[str, Any] = {}
        for name, (result, *arguments) in _PROTOTYPES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
            self._functions[name] = function

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function; its result is the caller's to judge."""
        return self._functions[name](*arguments)


def failure(words: str) -> OSError:
    """Give its words a number."""
    text = words.strip() or "it does not say why"
    return OSError(next((number for part, number in WORDS if part in text), errno.EIO), text)
