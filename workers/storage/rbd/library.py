"""librados and librbd by ctypes: the functions used here, their types, and their errors as OSError."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_ssize_t, c_uint8, c_uint64, c_void_p
from typing import Any, Final


class ClusterStat(ctypes.Structure):
    """struct rados_cluster_stat_t."""

    _fields_ = tuple((name, c_uint64) for name in ("kb", "kb_used", "kb_avail", "num_objects"))


class PoolStat(ctypes.Structure):
    """struct rados_pool_stat_t."""

    _fields_ = tuple(
        (name, c_uint64)
        for name in (
            *("num_bytes", "num_kb", "num_objects", "num_object_clones", "num_object_copies", "num_objects_missing_on_primary"),
            *("num_objects_unfound", "num_objects_degraded", "num_rd", "num_rd_kb", "num_wr", "num_wr_kb"),
            *("num_user_bytes", "compressed_bytes_orig", "compressed_bytes", "compressed_bytes_alloc"),
        )
    )


class ImageSpec(ctypes.Structure):
    """struct rbd_image_spec_t."""

    _fields_ = (("id", c_char_p), ("name", c_char_p))


EXTENT: Final = ctypes.CFUNCTYPE(c_int, c_uint64, c_size_t, c_int, c_void_p)
"""What diff_iterate calls: offset, length, whether there is data, our argument."""

_HANDLE: Final = POINTER(c_void_p)

_RADOS: Final[dict[str, tuple[Any, ...]]] = {
    "rados_create": (_HANDLE, c_char_p),
    "rados_conf_set": (c_void_p, c_char_p, c_char_p),
    "rados_connect": (c_void_p,),
    "rados_shutdown": (c_void_p,),
    "rados_ioctx_create": (c_void_p, c_char_p, _HANDLE),
    "rados_ioctx_destroy": (c_void_p,),
    "rados_ioctx_set_namespace": (c_void_p, c_char_p),
    "rados_wait_for_latest_osdmap": (c_void_p,),
    "rados_cluster_stat": (c_void_p, POINTER(ClusterStat)),
    "rados_ioctx_pool_stat": (c_void_p, POINTER(PoolStat)),
    "rados_stat": (c_void_p, c_char_p, POINTER(c_uint64), c_void_p),
    "rados_getxattr": (c_void_p, c_char_p, c_char_p, c_char_p, c_size_t),
    "rados_setxattr": (c_void_p, c_char_p, c_char_p, c_char_p, c_size_t),
}
_RBD: Final[dict[str, tuple[Any, ...]]] = {
    "rbd_list2": (c_void_p, POINTER(ImageSpec), POINTER(c_size_t)),
    "rbd_image_spec_list_cleanup": (POINTER(ImageSpec), c_size_t),
    "rbd_create": (c_void_p, c_char_p, c_uint64, POINTER(c_int)),
    "rbd_remove": (c_void_p, c_char_p),
    "rbd_open": (c_void_p, c_char_p, _HANDLE, c_char_p),
    "rbd_open_read_only": (c_void_p, c_char_p, _HANDLE, c_char_p),
    "rbd_close": (c_void_p,),
    "rbd_get_size": (c_void_p, POINTER(c_uint64)),
    "rbd_get_id": (c_void_p, c_char_p, c_size_t),
    "rbd_get_features": (c_void_p, POINTER(c_uint64)),
    "rbd_get_flags": (c_void_p, POINTER(c_uint64)),
    "rbd_resize2": (c_void_p, c_uint64, c_uint8, c_void_p, c_void_p),
    "rbd_diff_iterate2": (c_void_p, c_char_p, c_uint64, c_uint64, c_uint8, c_uint8, EXTENT, c_void_p),
    "rbd_read": (c_void_p, c_uint64, c_size_t, c_char_p),
    "rbd_write": (c_void_p, c_uint64, c_size_t, c_char_p),
    "rbd_flush": (c_void_p,),
    "rbd_snap_list": (c_void_p, c_void_p, POINTER(c_int)),
}
_RESULTS: Final[dict[str, Any]] = {
    "rados_shutdown": None,
    "rados_ioctx_destroy": None,
    "rados_ioctx_set_namespace": None,
    "rbd_image_spec_list_cleanup": None,
    "rbd_read": c_ssize_t,
    "rbd_write": c_ssize_t,
}


class Library:
    """Both libraries. Each function is called by its name in C; a negative result is raised as OSError."""

    def __init__(self) -> None:
        try:
            libraries = (ctypes.CDLL("librados.so.2"), _RADOS), (ctypes.CDLL("librbd.so.1"), _RBD)
        except OSError as error:
            raise OSError(errno.ENOSYS, f"Ceph's libraries are not installed ({error}); Debian: librbd1") from None
        self.silent = threading.Event()
        """Set when a call was not answered; whoever sees an answer again clears it."""
        self._functions: dict[str, Any] = {}
        for library, prototypes in libraries:
            for name, arguments in prototypes.items():
                function = getattr(library, name)
                function.argtypes, function.restype = arguments, _RESULTS.get(name, c_int)
                self._functions[name] = function

    def call(self, name: str, *arguments: Any) -> int:
        """Call a function; raise OSError if it says so."""
        result = self._functions[name](*arguments)
        if result is not None and result < 0:
            if result == -errno.ETIMEDOUT:
                self.silent.set()
            raise OSError(-result, os.strerror(-result))
        return int(result or 0)

    def free(self, name: str, *arguments: Any) -> None:
        """Call a function that gives something back, whose result nobody can do anything about."""
        self._functions[name](*arguments)
