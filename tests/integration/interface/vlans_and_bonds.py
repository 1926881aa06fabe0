"""Vlans and bonds, on a kernel that has them: this one, or a User-Mode Linux. A program, run by test_vlans_and_bonds."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.namespaces import enter_new, ip
from tierhost.workers.interface.backend import Links
from tierhost.workers.interface.driver import InterfaceDriver
from tierhost.workers.runtime.testing import live

VLAN = "<interface type='vlan' name='p0.5'>{}<vlan tag='5'><interface name='p0'/></vlan></interface>"
IP = "<protocol family='ipv4'><ip address='10.9.0.1' prefix='24'/></protocol>"
BOND = """<interface type='bond' name='bond0'>{}<bond mode='active-backup'><miimon freq='100' updelay='200' carrier='netif'/>
<interface type='ethernet' name='q0'/><interface type='ethernet' name='p0'/></bond></interface>"""
BRIDGE = f"<interface type='bridge' name='br0'>{IP}<bridge stp='off'>{{}}</bridge></interface>"


def vlan(folder: Path) -> None:
    """A vlan stands on a card, and is as it was after a crash."""
    ip("link", "set", "p0", "up")
    with live(InterfaceDriver, folder) as life:
        life.call("interface_define_xml", VLAN.format(IP))
        life.call("interface_create", "p0.5")
        made = Links().world().links["p0.5"]
        assert (made.kind, made.parent, made.options["tag"], made.up) == ("vlan", "p0", 5, True), made
        assert made.addresses == {"10.9.0.1/24"}
        life.call("interface_define_xml", life.call("interface_get_xml_desc", "p0.5"))
    ip("link", "del", "p0.5")
    with live(InterfaceDriver, folder) as life:
        assert Links().world().links["p0.5"].index == made.index
        assert life.host.degraded == {}
        life.call("interface_destroy", "p0.5")
        assert "p0.5" not in Links().world().links


def bond(folder: Path) -> None:
    """A bond takes two cards, one of which is up, and gives both back as they were."""
    ip("link", "set", "q0", "up")
    with live(InterfaceDriver, folder) as life:
        life.call("interface_define_xml", BOND.format(IP))
        life.call("interface_create", "bond0")
        links = Links().world().links
        made = links["bond0"]
        assert (made.kind, made.options["mode"], made.options["miimon"], made.up) == ("bond", 1, 100, True), made
        assert made.options["updelay"] == 200
        assert [links[name].master for name in ("p0", "q0")] == ["bond0", "bond0"]
        ip("link", "set", "p0", "nomaster")
    with live(InterfaceDriver, folder) as life:
        assert Links().world().links["p0"].master == "bond0"
        life.call("interface_define_xml", life.call("interface_get_xml_desc", "bond0"))
        life.call("interface_destroy", "bond0")
    links = Links().world().links
    assert "bond0" not in links
    assert [(links[name].master, links[name].up) for name in ("p0", "q0")] == [("", False), ("", True)]


def both_in_a_bridge(folder: Path) -> None:
    """A bridge makes the vlan and the bond that are its ports, and takes them away with it."""
    ip("link", "set", "r0", "up")
    inside = VLAN.format("").replace("p0", "r0") + BOND.format("")
    with live(InterfaceDriver, folder) as life:
        life.call("interface_define_xml", BRIDGE.format(inside))
        life.call("interface_create", "br0")
        links = Links().world().links
        assert [links[name].master for name in ("r0.5", "bond0", "p0")] == ["br0", "br0", "bond0"]
        life.call("interface_change_begin")
        life.call("interface_destroy", "br0")
        assert set(Links().world().links) == before
        life.call("interface_change_rollback")
        assert Links().world().links["r0.5"].master == "br0"
        life.call("interface_destroy", "br0")
        assert set(Links().world().links) == before


before: set[str] = set()

if __name__ == "__main__":
    for scene in (vlan, bond, both_in_a_bridge):
        enter_new()
        for pair in ("p", "q", "r"):
            ip("link", "add", f"{pair}0", "type", "veth", "peer", "name", f"{pair}1")
        before = set(Links().world().links)
        with tempfile.TemporaryDirectory(prefix="thi") as place:
            scene(Path(place))
        sys.stdout.write(f"{scene.__name__} is done\n")
