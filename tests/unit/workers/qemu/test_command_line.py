"""QEMU's arguments: everything of the definition is in them, and nothing that others must not see."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.unit.workers.qemu.samples import DISK, UUID, domain, read
from tierhost.workers.qemu.blocks import Place, Wrapped
from tierhost.workers.qemu.command_line import Resolved, arguments, escaped, given_name, identity


def built(text: str, **resolved: Any) -> list[str]:
    facts = {"emulator": "/usr/bin/qemu", "pidfile": f"/run/q/{UUID}.pid", "monitor_fd": 7, "master_key_fd": 8}
    return arguments(read(text), Resolved(**{**facts, **resolved}))


def values(args: list[str], option: str) -> list[str]:
    return [value for name, value in itertools.pairwise(args) if name == option]


def devices(args: list[str]) -> list[dict[str, Any]]:
    return [json.loads(value) for value in values(args, "-device")]


def test_a_guest_begins_paused_locked_in_and_with_nothing_that_was_not_asked_for() -> None:
    args = built(domain())
    assert args[0] == "/usr/bin/qemu"
    assert {"-S", "-no-shutdown", "-nodefaults", "-no-user-config"} <= set(args)
    assert values(args, "-display") == ["none"]
    assert values(args, "-sandbox") == ["on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]


def test_a_process_can_be_told_by_its_arguments() -> None:
    args = built(domain())
    assert identity(args) == (UUID, f"/run/q/{UUID}.pid")
    assert given_name(args) == "web"


@pytest.mark.parametrize("name", ["a,b", "a,,b", ",", "guest=x", "debug-threads=on"])
def test_a_name_with_commas_is_one_value_and_comes_back(name: str) -> None:
    args = built(domain().replace(">web<", f">{name}<"))
    assert given_name(args) == name
    assert values(args, "-name") == [f"guest={escaped(name)},debug-threads=on"]


@pytest.mark.parametrize("args", [[], ["-uuid"], ["-uuid", UUID], ["-pidfile", "x", "-uuid"], ["vi", "-uuid", UUID, "-pidfile"]])
def test_other_programs_are_not_taken_for_guests(args: list[str]) -> None:
    assert identity(args) is None


def test_a_process_without_a_name_has_none() -> None:
    assert given_name(["qemu", "-name"]) == ""


@pytest.mark.parametrize(("kind", "accelerator"), [("qemu", "accel=tcg"), ("kvm", "accel=kvm")])
def test_the_type_of_a_guest_says_what_runs_it(kind: str, accelerator: str) -> None:
    assert accelerator in values(built(domain(kind=kind)), "-machine")[0].split(",")


def test_machine_clock_and_features_are_said() -> None:
    more = "<features><acpi/></features><clock offset='localtime'><timer name='rtc' tickpolicy='catchup'/></clock>"
    args = built(domain(more=more, machine="q35"))
    assert values(args, "-machine") == ["q35,accel=tcg,usb=off,dump-guest-core=off"]
    assert values(args, "-rtc") == ["base=localtime,driftfix=slew"]
    assert values(args, "-m") == ["size=16384k"]
    hpet = "<clock><timer name='hpet' present='no'/></clock>"
    assert values(built(domain(more=hpet)), "-machine")[0].endswith("acpi=off,hpet=off")


def test_processors_are_said() -> None:
    cpu = "<cpu><model>qemu64</model><feature name='svm' policy='disable'/><topology sockets='1' cores='2' threads='1'/></cpu>"
    args = built(domain(more=cpu, vcpu="<vcpu>2</vcpu>"))
    assert (values(args, "-cpu"), values(args, "-smp")) == (["qemu64,svm=off"], ["2,sockets=1,cores=2,threads=1"])
    plain = built(domain())
    assert (values(plain, "-cpu"), values(plain, "-smp")) == (["qemu64"], ["1"])
    assert values(built(domain().replace("<type>", "<type arch='i686'>")), "-cpu") == ["qemu32"]


def test_a_kernel_and_its_words_are_arguments_of_their_own() -> None:
    args = built(domain(os="<kernel>/k,x</kernel><initrd>/i</initrd><cmdline>-S a,b</cmdline>"))
    assert (values(args, "-kernel"), values(args, "-initrd"), values(args, "-append")) == (["/k,x"], ["/i"], ["-S a,b"])
    assert values(args, "-boot") == []


def test_a_guest_that_is_not_to_reboot_does_not() -> None:
    assert "-no-reboot" in built(domain(more="<on_reboot>destroy</on_reboot>"))
    assert "-no-reboot" not in built(domain())


def test_a_disk_and_its_key_come_in_the_order_qemu_needs() -> None:
    key = "<encryption format='luks'><secret type='passphrase' usage='x'/></encryption>"
    args = built(
        domain(DISK.replace("</disk>", f"{key}</disk>")),
        places={"vda": Place("/srv/a.img", "raw")},
        keys={"vda": Wrapped(b"wrapped", b"iv")},
    )
    master = args.index("secret,id=masterKey0,format=raw,file=/dev/fd/8")
    wrapped = next(number for number, arg in enumerate(args) if '"key-vda"' in arg and "qom-type" in arg)
    node = next(number for number, arg in enumerate(args) if '"filename"' in arg)
    seen = next(number for number, arg in enumerate(args) if "virtio-blk-pci" in arg)
    assert master < wrapped < node < seen


def test_without_secrets_no_key_is_asked_for() -> None:
    assert not any("masterKey0" in arg for arg in built(domain(DISK), places={"vda": Place("/srv/a.img", "raw")}))


def test_controllers_are_made_for_the_buses_that_are_used() -> None:
    places = (("sda", "scsi"), ("sdb", "sata"))
    disks = "".join(f"<disk><source file='/{dev}'/><target dev='{dev}' bus='{bus}'/></disk>" for dev, bus in places)
    assert [made["driver"] for made in devices(built(domain(disks)))][:2] == ["virtio-scsi-pci", "ahci"]
    assert "ahci" not in [made["driver"] for made in devices(built(domain(disks, machine="q35")))]


@pytest.mark.parametrize(
    ("port", "backend"),
    [
        ("<serial type='null'/>", "null,id=serial0"),
        ("<serial type='pty'/>", "pty,id=serial0"),
        ("<serial type='file'><source path='/a,b'/></serial>", "file,id=serial0,path=/a,,b,append=on"),
        (
            "<serial type='unix'><source path='/s,server=off'/></serial>",
            "socket,id=serial0,path=/s,,server=off,server=on,wait=off",
        ),
    ],
)
def test_a_path_cannot_say_more_than_where_a_port_ends(port: str, backend: str) -> None:
    assert backend in values(built(domain(port)), "-chardev")


def test_a_card_on_a_user_network_reaches_nobody() -> None:
    args = built(domain("<interface type='user'/>"))
    assert values(args, "-netdev") == ["user,id=net0,restrict=on"]
    tap = built(domain("<interface type='ethernet'><target dev='tap0' managed='no'/></interface>"))
    assert values(tap, "-netdev") == ["tap,id=net0,ifname=tap0,script=no,downscript=no"]


def test_a_card_on_a_network_is_handed_its_tap_as_a_descriptor() -> None:
    two = "<interface type='user'/><interface type='network'><source network='lab'/></interface>"
    assert values(built(domain(two), tap_fds={1: 42}), "-netdev")[1] == "tap,id=net1,fd=42"


@pytest.mark.parametrize(
    ("graphics", "where"),
    [
        ("<graphics type='vnc'/>", "127.0.0.1:0,to=99"),
        ("<graphics type='vnc' listen='::1' port='5905'/>", "[::1]:5"),
        ("<graphics type='vnc' socket='/v,x'/>", "unix:/v,,x"),
        ("<graphics type='vnc'><listen type='socket'/></graphics>", "unix:/run/q/x.vnc"),
    ],
)
def test_a_display_is_where_its_definition_says(graphics: str, where: str) -> None:
    assert values(built(domain(graphics), vnc_socket="/run/q/x.vnc"), "-vnc") == [where]


def test_a_display_with_a_password_names_the_secret_and_not_the_password() -> None:
    args = built(domain("<graphics type='vnc' passwd='sesame'/>"), vnc_password=Wrapped(b"wrapped", b"iv"))
    assert values(args, "-vnc") == ["127.0.0.1:0,to=99,password-secret=vnc-password"]
    assert "sesame" not in " ".join(args)


def test_small_devices_are_made_when_they_are_wanted() -> None:
    everything = "<rng model='virtio'><backend model='random'/></rng><panic/><graphics type='vnc'/><interface type='user'/>"
    found = devices(built(domain(everything)))
    assert [made["driver"] for made in found] == ["virtio-net-pci", "VGA", "virtio-rng-pci", "virtio-balloon-pci", "pvpanic"]
    slots = [made["addr"] for made in found if "addr" in made]
    assert len(set(slots)) == len(slots)
    assert devices(built(domain("<memballoon model='none'/>"))) == []


def test_a_guest_that_is_brought_back_waits_for_its_memory() -> None:
    assert values(built(domain(), incoming=True), "-incoming") == ["defer"]
    assert "-incoming" not in built(domain())
