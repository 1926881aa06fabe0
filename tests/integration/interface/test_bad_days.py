"""Names that are taken, cards that are gone, kernels without it: typed errors, and nothing of somebody else's is touched."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.interface.conftest import bridge, card, static
from tests.namespaces import ip
from tierhost.workers.interface.backend import Links
from tierhost.workers.interface.steps import Delete
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.interface.conftest import Net
    from tierhost.workers.interface.steps import Step

VLAN = "<interface type='vlan' name='p0.5'><vlan tag='5'><interface name='p0'/></vlan></interface>"
BOND = "<interface type='bond' name='bond0'><bond mode='active-backup'><interface type='ethernet' name='p0'/></bond></interface>"


def kernel_has(xml: str) -> bool:
    """Ask the kernel itself, in another way."""
    kind = "vlan" if xml == VLAN else "bond"
    words = "link add link p0 name try type vlan id 9" if kind == "vlan" else "link add try type bond"
    try:
        ip(*words.split())
    except AssertionError:
        return False
    ip("link", "del", "try")
    return True


@pytest.mark.parametrize(
    ("makes", "xml", "says"),
    [
        (["link add br0 type bridge"], bridge("br0"), "'br0' is there already, and we did not make it"),
        ([], bridge("br0", "nope"), "there is no device 'nope'"),
        ([], card("nope"), "there is no device 'nope'"),
        (["link set p0 up"], card("p0"), "'p0' is up already, and it was not us"),
        (["link add other type bridge", "link set p0 master other"], bridge("br0", "p0"), "'p0' is a port of 'other' already"),
        ([], card("p0", inside="<mac address='02:00:00:00:00:99'/>"), "it is another card"),
        ([], VLAN.replace("p0", "p7"), "there is no device 'p7' for it to stand on"),
        ([], bridge("br0", inside=static("10.9.0.1", "192.0.2.1")), "cannot route over 192.0.2.1: Network is unreachable"),
    ],
)
def test_what_cannot_be_started_is_told_and_leaves_no_trace(net: Net, makes: list[str], xml: str, says: str) -> None:
    for words in makes:
        ip(*words.split())
    before = net.links()
    with net.live() as life:
        name = life.call("interface_define_xml", xml)["name"]
        with pytest.raises(DriverError, match=says) as caught:
            life.call("interface_create", name)
        assert caught.value.subject.startswith("interface ")
        assert life.context.run.intents() == {}
        assert life.driver.objects()["interfaces"]["active"] == 0
    assert {link: (net.links()[link].up, net.links()[link].master) for link in net.links()} == {
        name: (link.up, link.master) for name, link in before.items()
    }


@pytest.mark.parametrize("xml", [VLAN, BOND])
def test_a_kernel_without_vlans_or_bonds_is_told(net: Net, xml: str) -> None:
    with net.live() as life:
        name = life.call("interface_define_xml", xml)["name"]
        if kernel_has(xml):
            pytest.skip("this kernel has it")
        with pytest.raises(DriverError, match="unsupported by this kernel") as caught:
            life.call("interface_create", name)
        assert caught.value.code is Code.CONFIG_UNSUPPORTED
        assert set(net.links()) == {"lo", "p0", "p1"}


def test_a_device_that_took_our_name_is_never_touched(net: Net) -> None:
    with net.live() as life:
        life.call("interface_define_xml", bridge("br0", inside=static("10.9.0.1")))
        life.call("interface_create", "br0")
    ip("link", "del", "br0")
    ip("link", "add", "br0", "type", "bridge")
    theirs = net.link("br0")
    with net.live() as life:
        assert "we did not make" in life.host.degraded["interface br0"]
        assert life.call("interface_is_active", "br0") is False
        life.call("interface_destroy", "br0")
        assert life.host.degraded == {}
    assert net.link("br0") == theirs


def test_a_card_that_comes_back_is_taken_up_again(net: Net) -> None:
    with net.live() as life:
        life.call("interface_define_xml", bridge("br0", "p0"))
        life.call("interface_create", "br0")
    ip("link", "del", "p0")
    with net.live() as life:
        assert "there is no device" in life.host.degraded["interface br0"]
        life.run_later()
        assert "interface br0" in life.host.degraded
        ip("link", "add", "p0", "type", "veth", "peer", "name", "p1")
        life.run_later()
        assert life.host.degraded == {}
        assert net.link("p0").master == "br0"


@pytest.mark.parametrize("name", ["nope", "lo", "", 7, None, "p0"])
def test_what_is_not_defined_here_is_neither_started_nor_stopped(net: Net, name: object) -> None:
    before = net.links()
    with net.live() as life:
        for method in ("interface_create", "interface_destroy", "interface_undefine"):
            with pytest.raises(DriverError) as caught:
                life.call(method, name)
            assert caught.value.code is Code.NO_INTERFACE
    assert net.links() == before


def test_flags_that_nobody_acts_on_are_refused(net: Net) -> None:
    with net.live() as life:
        life.call("interface_define_xml", bridge("br0"))
        for method in ("interface_create", "interface_destroy"):
            with pytest.raises(DriverError, match="unsupported flags"):
                life.call(method, "br0", 64)


def test_an_address_of_two_is_no_answer(net: Net) -> None:
    with net.live() as life:
        life.call("interface_define_xml", bridge("br0", "p0"))
        life.call("interface_create", "br0")
        ip("link", "add", "br9", "address", net.link("p1").mac, "type", "bridge")
        with pytest.raises(DriverError) as caught:
            life.call("interface_lookup_by_mac_string", net.link("p1").mac)
        assert caught.value.code is Code.MULTIPLE_INTERFACES


WITHOUT_PERMISSION = """
import sys
from pathlib import Path
from tests.integration.interface.conftest import bridge
from tierhost.workers.interface.driver import InterfaceDriver
from tierhost.workers.interface.backend import Links
from tierhost.workers.interface.steps import Delete
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.testing import live
with live(InterfaceDriver, Path(sys.argv[1])) as life:
    life.call("interface_define_xml", bridge("br0"))
    try:
        life.call("interface_create", "br0")
    except DriverError as error:
        assert error.code is Code.ACCESS_DENIED, error
        assert "CAP_NET_ADMIN" in error.hint, error
        assert life.context.run.intents() == {}
        assert [row["name"] for row in life.call("interface_list")] == ["br0", "lo", "p0", "p1"]
        sys.exit(0)
sys.exit("it was allowed")
"""


def test_whoever_may_not_change_the_network_is_told_and_can_still_look(net: Net, tmp_path: Path) -> None:
    leash = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]
    argv = [*leash, sys.executable, "-c", WITHOUT_PERMISSION, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr


def test_a_card_that_goes_while_it_is_given_back_is_given_back(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    with net.live() as life:
        life.call("interface_define_xml", bridge("br0", "p0"))
        life.call("interface_create", "br0")
        perform = Links.perform

        def pulled_out(links: Links, step: Step) -> None:
            perform(links, step)
            if isinstance(step, Delete):
                ip("link", "del", "p0")

        monkeypatch.setattr(Links, "perform", pulled_out)
        life.call("interface_destroy", "br0")
        assert set(net.links()) == {"lo"}
        assert life.context.run.intents() == {}
