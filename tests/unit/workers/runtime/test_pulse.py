"""A beat is where the host looks for it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tierhost.workers.runtime.pulse import Pulse

if TYPE_CHECKING:
    from pathlib import Path


def test_a_beat_is_written_into_the_slot_of_this_worker_only(tmp_path: Path) -> None:
    table = tmp_path / "beats"
    table.write_bytes(bytes(8 * 4))
    pulse = Pulse(table, 2, patience_s=5.0)
    pulse.beat(12.5)
    pulse.beat(13.0)
    assert struct.unpack("4d", table.read_bytes()) == (0.0, 0.0, 13.0, 0.0)
