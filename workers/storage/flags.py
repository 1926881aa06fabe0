"""libvirt's flag numbers for storage calls, and the check that a call has only those it knows."""

from __future__ import annotations

from typing import Final

BUILD_NO_OVERWRITE: Final = 4
BUILD_OVERWRITE: Final = 8
BUILD_FLAGS: Final = BUILD_NO_OVERWRITE | BUILD_OVERWRITE

CREATE_WITH_BUILD: Final = 1
CREATE_WITH_BUILD_OVERWRITE: Final = 2
CREATE_WITH_BUILD_NO_OVERWRITE: Final = 4
CREATE_FLAGS: Final = CREATE_WITH_BUILD | CREATE_WITH_BUILD_OVERWRITE | CREATE_WITH_BUILD_NO_OVERWRITE

XML_INACTIVE: Final = 1


VOL_CREATE_PREALLOC_METADATA: Final = 1
VOL_CREATE_REFLINK: Final = 2
VOL_DELETE_ZEROED: Final = 1
VOL_RESIZE_ALLOCATE: Final = 1
VOL_RESIZE_DELTA: Final = 2
VOL_RESIZE_SHRINK: Final = 4
