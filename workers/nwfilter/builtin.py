"""The filters that libvirt's users expect to be there: one XML file each, in the folder filters/."""

from __future__ import annotations

import uuid as uuids
from _blake2 import blake2b  # hashlib would load all of OpenSSL for it
from pathlib import Path
from typing import Final

from tierhost.workers.nwfilter.filter_xml import Filter, parse_filter

FOLDER: Final = Path(__file__).with_name("filters")


def builtin_filters() -> dict[str, Filter]:
    """Read all of them, by name."""
    found = {}
    for path in sorted(FOLDER.glob("*.xml")):
        one, _ = parse_filter(path.read_text(encoding="utf-8"), uuid=steady_uuid(path.stem), builtin=True)
        found[one.name] = one
    return found


def steady_uuid(name: str) -> str:
    """The uuid of a built-in filter: everywhere and always the same."""
    return str(uuids.UUID(bytes=blake2b(name.encode(), digest_size=16, person=b"tierhost-nwf").digest(), version=4))
