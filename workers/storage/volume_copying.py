"""Copy the contents of a volume piece by piece: between kinds of volume that no one program opens both."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.volume_backend import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.volume_backend import Original


def copy_pieces(original: Original, write: Callable[[int, bytes], None], effort: Effort) -> None:
    """Hand each piece of a raw volume that is not all zeros to `write`. The target reads as zeros where nothing is written.

    Raises DriverError when the time is over.
    """
    look = original.look
    if look.header.format != "raw" or look.header.luks:
        raise DriverError(
            "only a raw volume without encryption can be copied out of, or into, a pool of another kind",
            code=Code.OPERATION_UNSUPPORTED,
        )
    zeros = bytes(PIECE_BYTES)
    for offset in range(0, look.header.capacity, PIECE_BYTES):
        if time.monotonic() > effort.deadline_s:
            raise DriverError(
                f"copied {offset} of {look.header.capacity} bytes in the time the caller gave",
                code=Code.OPERATION_TIMEOUT,
                hint="copy it again with a longer deadline",
            )
        length = min(PIECE_BYTES, look.header.capacity - offset)
        piece = original.pool.volumes.read(original.pool, look, offset, length, original.effort)
        if piece != zeros[: len(piece)]:
            write(offset, piece)
