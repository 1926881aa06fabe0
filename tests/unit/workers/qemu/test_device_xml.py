"""Serial ports, network cards, displays and small devices: what is read and what is refused."""

from __future__ import annotations

import pytest

from tests.unit.workers.qemu.samples import UUID, domain, read
from tierhost.workers.qemu.domain import Chardev, Graphics
from tierhost.workers.runtime.definitions import BadDefinition, Unsupported


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<serial type='null'/>", [Chardev("null")]),
        ("<serial type='pty'><target port='0' type='isa-serial'/></serial>", [Chardev("pty")]),
        ("<serial type='file'><source path='/a,b'/></serial>", [Chardev("file", "/a,b")]),
        ("<serial type='unix'><source mode='bind' path='/s'/></serial>", [Chardev("unix", "/s")]),
        ("<console type='pty'><target type='serial'/></console>", [Chardev("pty")]),
        ("<serial type='null'/><console type='pty'/>", [Chardev("null")]),
        ("<serial type='null'/><serial type='pty'/>", [Chardev("null"), Chardev("pty")]),
    ],
)
def test_serial_ports_are_read_and_a_console_only_doubles_the_first(text: str, expected: list[Chardev]) -> None:
    assert list(read(domain(text)).serials) == expected


def test_a_card_without_an_address_has_one_that_stays() -> None:
    first, second = read(domain("<interface type='user'/><interface type='user'/>")).interfaces
    assert first.mac.startswith("52:54:00:")
    assert first.mac != second.mac
    assert read(domain("<interface type='user'/>")).interfaces[0].mac == first.mac
    other = domain("<interface type='user'/>").replace(UUID, UUID.replace("0d", "1d"))
    assert read(other).interfaces[0].mac != first.mac


def test_a_tap_device_that_exists_is_taken() -> None:
    inside = "<mac address='52:54:00:AB:CD:EF'/><target dev='tap0' managed='no'/><model type='e1000'/>"
    text = f"<interface type='ethernet'>{inside}</interface>"
    found = read(domain(text)).interfaces[0]
    assert (found.kind, found.device, found.mac, found.model) == ("ethernet", "tap0", "52:54:00:ab:cd:ef", "e1000")


def test_a_card_on_a_network_is_read_and_its_device_is_decided_later() -> None:
    text = "<interface type='network'><source network='lab' bridge='virbr0'/><target dev='vnet7'/></interface>"
    found = read(domain(text)).interfaces[0]
    assert (found.kind, found.network, found.device) == ("network", "lab", "")


def test_a_cards_filter_and_what_it_is_told_are_read() -> None:
    told = "<parameter name='IP' value='10.0.0.2'/><parameter name='MAC2' value='x'/><parameter name='IP' value='10.0.0.3'/>"
    text = f"<interface type='network'><source network='lab'/><filterref filter='clean-traffic'>{told}</filterref></interface>"
    found = read(domain(text)).interfaces[0]
    assert (found.filter, found.parameters) == ("clean-traffic", (("IP", ("10.0.0.2", "10.0.0.3")), ("MAC2", ("x",))))


def test_a_filter_on_another_kind_of_card_is_refused() -> None:
    with pytest.raises(Unsupported, match="filterref"):
        read(domain("<interface type='user'><filterref filter='clean-traffic'/></interface>"))


@pytest.mark.parametrize(
    "inside", ["<source network='lab' portgroup='a'/>", "<source network='lab'/><virtualport type='openvswitch'/>", ""]
)
def test_a_card_on_a_network_that_is_more_than_that_is_refused(inside: str) -> None:
    with pytest.raises((BadDefinition, Unsupported)):
        read(domain(f"<interface type='network'>{inside}</interface>"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<graphics type='vnc'/>", Graphics()),
        ("<graphics type='vnc' port='5901'/>", Graphics(port=5901)),
        ("<graphics type='vnc' port='5901' autoport='yes'/>", Graphics(port=-1)),
        ("<graphics type='vnc'><listen type='socket'/></graphics>", Graphics(kind="socket")),
        ("<graphics type='vnc'><listen type='socket' socket='/v'/></graphics>", Graphics(kind="socket", socket="/v")),
        ("<graphics type='vnc' socket='/v'/>", Graphics(kind="socket", socket="/v")),
        ("<graphics type='vnc' listen='::1'/>", Graphics(address="::1")),
        ("<graphics type='vnc' passwd='p' listen='0.0.0.0'/>", Graphics(address="0.0.0.0", password="p")),  # noqa: S104  # it is refused without the password
    ],
)
def test_a_display_is_read(text: str, expected: Graphics) -> None:
    assert read(domain(text)).graphics == expected


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("", ""),
        ("<graphics type='vnc'/>", "VGA"),
        ("<video><model type='virtio'/></video>", "virtio-vga"),
        ("<video><model type='none'/></video>", ""),
        ("<video/>", "VGA"),
    ],
)
def test_a_guest_with_a_display_has_a_card_to_show(text: str, device: str) -> None:
    assert read(domain(text)).video == device


def test_randomness_comes_from_the_hosts_own() -> None:
    assert read(domain("<rng model='virtio'><backend model='random'>/dev/random</backend></rng>")).rng == "/dev/random"
    assert read(domain("<rng model='virtio'><backend model='random'/></rng>")).rng == "/dev/urandom"


@pytest.mark.parametrize(
    "text",
    [
        "<controller type='scsi' model='virtio-scsi' index='0'/>",
        "<controller type='pci' model='pci-root'/>",
        "<controller type='usb' model='none'/>",
        "<input type='mouse' bus='ps2'/><input type='keyboard'/>",
        "<memballoon model='none'/>",
        "<panic model='isa'/>",
    ],
)
def test_what_every_machine_has_anyway_may_be_said(text: str) -> None:
    read(domain(text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<interface type='bridge'><source bridge='br0'/></interface>", "interfaces of type 'bridge'"),
        ("<interface/>", "interfaces of type ''"),
        ("<interface type='ethernet'><target dev='tap0'/></interface>", "tap devices are not made here"),
        ("<graphics type='spice'/>", "graphics of type 'spice'"),
        ("<graphics type='vnc' listen='0.0.0.0'/>", "VNC on '0.0.0.0' without a password"),
        ("<graphics type='vnc'><listen type='address' address='::'/></graphics>", "VNC on '::' without a password"),
        ("<graphics type='vnc' passwd='p' passwdValidTo='2030-01-01T00:00:00'/>", "a password that expires"),
        ("<rng model='virtio'><backend model='egd'/></rng>", "only <backend model='random'>"),
        ("<controller type='scsi' model='lsilogic'/>", "a 'scsi' controller of model 'lsilogic'"),
        ("<controller type='usb' model='qemu-xhci'/>", "a 'usb' controller of model 'qemu-xhci'"),
        ("<controller type='virtio-serial'/>", "a 'virtio-serial' controller is not supported"),
        ("<controller type='scsi' index='1'/>", "only one scsi controller"),
    ],
)
def test_devices_that_are_not_made_here_are_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(Unsupported, match=words) as refused:
        read(domain(text))
    assert refused.value.subject.startswith("/domain/devices/")


@pytest.mark.parametrize("tag", ["filterref", "vlan", "bandwidth", "virtualport", "port"])
def test_what_would_fence_a_card_in_is_refused_by_name(tag: str) -> None:
    with pytest.raises(Unsupported, match=f"<{tag}> is not supported here, and ignoring it would not be safe"):
        read(domain(f"<interface type='user'><{tag}/></interface>"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<serial/>", "'type' is None"),
        ("<serial type='tcp'/>", "'type' is 'tcp'"),
        ("<serial type='file'/>", "<source> is missing"),
        ("<serial type='file'><source path='a'/></serial>", "expected an absolute one"),
        ("<serial type='unix'><source mode='connect' path='/s'/></serial>", "'mode' is 'connect'"),
        ("<console type='pty'><target type='virtio'/></console>", "'type' is 'virtio'"),
        ("<interface type='user'/>" * 9, "9 interfaces, at most 8 fit"),
        ("<interface type='user'><mac address='52:54:00'/></interface>", "'52:54:00' is no MAC address"),
        ("<interface type='user'><model type='ne2k'/></interface>", "'type' is 'ne2k'"),
        ("<interface type='ethernet'/>", "<target> is missing"),
        (
            "<interface type='ethernet'><target dev='tap0,script=/x' managed='no'/></interface>",
            "expected the name of a network device",
        ),
        ("<graphics type='vnc' passwd='123456789'/>", "more than 8 characters"),
        ("<graphics type='vnc' port='80'/>", "VNC ports begin at 5900"),
        ("<graphics type='vnc' port='70000'/>", "port is 70000, expected -1 to 65535"),
        ("<graphics type='vnc' socket='v'/>", "expected an absolute path"),
        ("<graphics type='vnc'><listen type='network'/></graphics>", "'type' is 'network'"),
        ("<graphics type='vnc'/><graphics type='vnc'/>", "<graphics> may stand only once"),
        ("<video><model type='qxl'/></video>", "'type' is 'qxl'"),
        ("<rng model='virtio'/>", "<backend> is missing"),
        ("<rng model='virtio'><backend model='random'>/etc/passwd</backend></rng>", "expected /dev/urandom"),
        ("<controller/>", "'type' is missing"),
    ],
)
def test_bad_devices_say_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(BadDefinition, match=words):
        read(domain(text))
