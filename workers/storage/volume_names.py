"""What a volume may be called: its name becomes a file's, and a leading dot is for what is half made."""

from __future__ import annotations

from tierhost.workers.storage.xml_values import NAME_BYTES_MAX


def is_volume_name(name: object) -> bool:
    """Say whether a volume can have this name."""
    if not isinstance(name, str) or not 0 < len(name.encode(errors="replace")) <= NAME_BYTES_MAX:
        return False
    return "/" not in name and name[0] != "." and name.isprintable()
