"""What the stores keep: the names of the tables, and the mark that tells our tables in the kernel from others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tierhost.workers.runtime.store import Store

FILTERS: Final = "filters"
"""Persistent: the XML of each filter that somebody defined, by name."""

BINDINGS: Final = "bindings"
"""Run: the bindings that were acknowledged, by port device."""

OURSELVES: Final = "ourselves"
MARK: Final = "mark"
MARK_BYTES: Final = 8
FEATURES: Final = "features"


def known_features(run: Store) -> frozenset[str] | None:
    """What an earlier life of this boot found out about the kernel; None if none did."""
    row = run.get(OURSELVES, FEATURES)
    return None if row is None else frozenset(row["names"])


def keep_features(run: Store, found: frozenset[str]) -> frozenset[str]:
    """Keep what was found out about the kernel for the lives after this one."""
    if known_features(run) != found:
        run.put(OURSELVES, FEATURES, {"names": sorted(found)})
    return found


def intent_of(port_dev: str) -> str:
    """Name the intent about a port: there is one at a time."""
    return f"binding {port_dev}"


def mark_of(persistent: Store) -> str:
    """Return the mark that all our tables carry; made once."""
    row = persistent.get(OURSELVES, MARK)
    if row is None:
        row = {"mark": os.urandom(MARK_BYTES).hex()}
        persistent.put(OURSELVES, MARK, row)
    return str(row["mark"])
