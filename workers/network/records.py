"""What the stores keep: the names of the tables, and what is in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tierhost.workers.network.registry import Network

NETWORKS: Final = "networks"
"""Persistent: definition and autostart flag by uuid."""

ACTIVE: Final = "active"
"""Run: the networks that are active, each with the XML it was started with, its bridge's number and its dnsmasq."""

PORTS: Final = "ports"
"""Run: where guests are plugged in, by the port's uuid."""


def active_row(network: Network) -> dict[str, Any]:
    """What the record of an active network, or an intent about it, says."""
    return {"name": network.name, "uuid": network.uuid, "xml": network.definition.xml, "facts": dict(network.facts)}


def defined_row(network: Network) -> dict[str, Any]:
    """What is kept of a definition."""
    assert network.defined is not None
    return {"name": network.name, "xml": network.defined.xml, "autostart": network.autostart}


def intent_of(uuid: str) -> str:
    """Name the intent about a network: there is one at a time."""
    return f"network {uuid}"


def update_of(uuid: str) -> str:
    """Name the intent about a change of an active network's XML."""
    return f"update {uuid}"


def port_intent(uuid: str) -> str:
    """Name the intent about a port."""
    return f"port {uuid}"
