"""What the stores keep of pools: the names of the tables, and what is in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tierhost.workers.storage.registry import Pool

POOLS: Final = "pools"
"""Persistent: definition and autostart flag by uuid."""

ACTIVE: Final = "active"
"""Run: the pools that are active, each with the XML it was started with and what its back end must remember."""


def active_row(pool: Pool) -> dict[str, Any]:
    """What the record of an active pool, or an intent about it, says."""
    return {"name": pool.name, "uuid": pool.uuid, "xml": pool.definition.xml, "facts": dict(pool.facts)}


def defined_row(pool: Pool) -> dict[str, Any]:
    """What is kept of a definition."""
    assert pool.defined is not None
    return {"name": pool.name, "xml": pool.defined.xml, "autostart": pool.autostart}


def intent_of(uuid: str) -> str:
    """Name the intent about a pool: there is one at a time."""
    return f"pool {uuid}"
