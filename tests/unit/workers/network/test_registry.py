"""Networks by name and uuid, and what two of them may not share."""

from __future__ import annotations

import pytest

from tierhost.workers.network.definition import Bridge, Forward, NetworkDefinition
from tierhost.workers.network.registry import Network, Networks
from tierhost.workers.runtime.contract import Code, DriverError

ONE = NetworkDefinition("one", "11111111-1111-1111-1111-111111111111", Bridge("br1"))


def known(*definitions: NetworkDefinition) -> Networks:
    networks = Networks()
    for definition in definitions:
        networks.put(Network(definition))
    return networks


def test_a_network_is_found_by_name_and_by_uuid() -> None:
    networks = known(ONE)
    assert networks.find("one") is networks.find(ONE.uuid) is networks.find(ONE.uuid.upper())
    with pytest.raises(DriverError) as missing:
        networks.find("two")
    assert missing.value.code is Code.NO_NETWORK
    with pytest.raises(DriverError, match="not active"):
        networks.find_active("one")


@pytest.mark.parametrize(
    ("name", "uuid", "bridge", "words"),
    [
        ("one", "2", "br2", "already exists"),
        ("two", ONE.uuid, "br2", "is called 'one'"),
        ("two", "2", "br1", "uses the bridge br1"),
    ],
)
def test_two_networks_share_no_name_no_uuid_and_no_bridge(name: str, uuid: str, bridge: str, words: str) -> None:
    networks = known(ONE)
    with pytest.raises(DriverError, match=words), networks.claiming(NetworkDefinition(name, uuid, Bridge(bridge))):
        pass


def test_networks_on_existing_bridges_may_share_them() -> None:
    networks = known(NetworkDefinition("lan", "3", Bridge("br0"), forward=Forward("bridge")))
    with networks.claiming(NetworkDefinition("lan2", "4", Bridge("br0"), forward=Forward("bridge"))):
        pass


def test_a_name_is_kept_for_a_network_that_is_being_made() -> None:
    networks = known()
    with (
        networks.claiming(ONE),
        pytest.raises(DriverError, match="already exists"),
        networks.claiming(NetworkDefinition("one", "2", Bridge("br2"))),
    ):
        pass
    assert networks.bridges() == set()
