"""A change of several interfaces can be taken back, whatever was killed since it began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.interface.conftest import bridge, card, static
from tests.namespaces import ip
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from tests.integration.interface.conftest import Net
    from tierhost.workers.runtime.testing import LifeInTest


def shown(life: LifeInTest, net: Net) -> dict[str, Any]:
    """Everything there is to see, but for what differs each time: indexes, addresses of the hardware."""
    rows = [(row["name"], row["active"], row["defined"]) for row in life.call("interface_list")]
    defined = {row[0]: life.call("interface_get_xml_desc", row[0], 1) for row in rows if row[2]}
    links = {link.name: (link.kind, link.mtu, link.up, link.master, link.addresses) for link in net.links().values()}
    return {"rows": rows, "defined": defined, "links": links}


def turn_everything_over(life: LifeInTest) -> None:
    life.call("interface_destroy", "br0")
    life.call("interface_define_xml", bridge("br0", inside=static("10.9.9.9")))
    life.call("interface_create", "br0")
    life.call("interface_undefine", "br1")
    life.call("interface_define_xml", card("p0"))
    life.call("interface_create", "p0")
    life.call("interface_define_xml", bridge("br2"))


def set_up(life: LifeInTest) -> None:
    life.call("interface_define_xml", bridge("br0", "p0", inside=static("10.9.0.1")))
    life.call("interface_create", "br0")
    life.call("interface_define_xml", bridge("br1"))


def test_a_rollback_in_a_later_life_restores_exactly(net: Net) -> None:
    with net.live() as life:
        set_up(life)
        before = shown(life, net)
        life.call("interface_change_begin")
    with net.live() as life:
        turn_everything_over(life)
    with net.live() as life:
        assert shown(life, net) != before
        assert life.call("interface_change_state") == "open"
        life.call("interface_change_rollback")
        assert life.call("interface_change_state") == "none"
        assert shown(life, net) == before
        assert life.host.degraded == {}
        with pytest.raises(DriverError, match="no change is running"):
            life.call("interface_change_rollback")


def test_a_commit_keeps_what_was_changed(net: Net) -> None:
    with net.live() as life:
        set_up(life)
        life.call("interface_change_begin")
        with pytest.raises(DriverError, match="already a change running") as caught:
            life.call("interface_change_begin")
        assert caught.value.code is Code.OPERATION_INVALID
        turn_everything_over(life)
        after = shown(life, net)
        life.call("interface_change_commit")
        assert shown(life, net) == after
        with pytest.raises(DriverError, match="no change is running"):
            life.call("interface_change_commit")


def test_a_reboot_before_the_commit_rolls_the_definitions_back(net: Net) -> None:
    with net.live(boot_id="boot 1") as life:
        life.call("interface_define_xml", bridge("br0", inside=static("10.9.0.1")))
        life.call("interface_change_begin")
        life.call("interface_define_xml", bridge("br0", inside=static("10.9.9.9")))
        life.call("interface_define_xml", bridge("br1"))
    with net.live(boot_id="boot 2") as life:
        assert "10.9.0.1" in life.call("interface_get_xml_desc", "br0", 1)
        assert "br1" not in [row["name"] for row in life.call("interface_list")]
        assert "br0" not in net.links()
        assert life.host.kinds() == ["interface-change-rolled-back"]
        life.call("interface_change_begin")


def test_a_rollback_that_cannot_restore_everything_says_what_and_can_be_repeated(net: Net) -> None:
    ip("link", "add", "q0", "type", "veth", "peer", "name", "q1")
    with net.live() as life:
        life.call("interface_define_xml", bridge("br0", "q0"))
        life.call("interface_create", "br0")
        life.call("interface_change_begin")
        life.call("interface_destroy", "br0")
        ip("link", "del", "q0")
        with pytest.raises(DriverError, match=r"1 interfaces are not as they were.*there is no device 'q0'"):
            life.call("interface_change_rollback")
        assert life.call("interface_change_state") == "rolling back"
        with pytest.raises(DriverError, match="a rollback is not finished"):
            life.call("interface_define_xml", bridge("br1"))
        assert "br0" not in net.links()
        ip("link", "add", "q0", "type", "veth", "peer", "name", "q1")
        life.call("interface_change_rollback")
        assert net.link("q0").master == "br0"
