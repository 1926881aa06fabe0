"""Domain definitions: what is read, kept, reported and refused."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workers.qemu.samples import DISK, UUID, domain, read
from tierhost.workers.qemu.domain import Boot, Cpu
from tierhost.workers.qemu.domain_xml import UNSAFE, UNSAFE_DEVICES, from_xml
from tierhost.workers.runtime.contract import Code
from tierhost.workers.runtime.definitions import BadDefinition, Unsupported

LEAST = "<domain type='qemu'><name>web</name><memory>16384</memory><os><type>hvm</type></os></domain>"


def test_the_least_a_guest_needs_has_sound_defaults() -> None:
    found = read(LEAST)
    assert (found.name, found.memory_kib, found.current_kib, found.vcpus) == ("web", 16384, 16384, 1)
    assert (found.type, found.machine, found.arch, found.balloon) == ("qemu", "pc", "x86_64", True)
    assert (found.on_poweroff, found.on_reboot, found.on_crash) == ("destroy", "restart", "destroy")
    assert (found.disks, found.serials, found.interfaces, found.graphics) == ((), (), (), None)


def test_a_guest_without_a_uuid_is_given_one_that_stays_in_its_xml() -> None:
    found = read(LEAST)
    assert str(uuid.UUID(found.uuid)) == found.uuid
    assert read(found.xml).uuid == found.uuid
    assert read(LEAST).uuid != found.uuid


def test_a_uuid_has_one_spelling() -> None:
    assert read(domain().replace(UUID, UUID.upper())).uuid == UUID
    assert read(domain().replace(UUID, UUID.replace("-", ""))).uuid == UUID


@pytest.mark.parametrize(
    ("memory", "kib"),
    [
        ("<memory>16384</memory>", 16384),
        ("<memory unit='KiB'>16384</memory>", 16384),
        ("<memory unit='MiB'>16</memory>", 16384),
        ("<memory unit='M'>16</memory>", 16384),
        ("<memory unit='bytes'>16777216</memory>", 16384),
        ("<memory unit='MB'>16</memory>", 15625),
        ("<memory unit='GiB'>1</memory>", 1 << 20),
        ("<memory unit='T'>1</memory>", 1 << 30),
    ],
)
def test_memory_is_read_in_all_of_libvirts_units(memory: str, kib: int) -> None:
    assert read(domain().replace("<memory unit='MiB'>16</memory>", memory)).memory_kib == kib


def test_a_guest_never_has_more_memory_now_than_it_has_at_most() -> None:
    assert read(domain(more="<currentMemory unit='GiB'>1</currentMemory>")).current_kib == 16384
    assert read(domain(more="<currentMemory unit='MiB'>8</currentMemory>")).current_kib == 8192


def test_the_processor_is_read() -> None:
    cpu = "<cpu mode='custom'><model>qemu64</model><feature name='svm' policy='disable'/><feature name='aes'/></cpu>"
    assert read(domain(more=cpu)).cpu == Cpu("qemu64", (("svm", False), ("aes", True)))
    assert read(domain(more="<cpu mode='maximum'/>")).cpu.model == "max"
    assert read(domain(more="<cpu mode='host-passthrough'/>", kind="kvm")).cpu.model == "host"


def test_the_processors_places_multiply_to_the_number_of_them() -> None:
    places = "<cpu><topology sockets='1' cores='2' threads='2'/></cpu>"
    found = read(domain(more=places, vcpu="<vcpu placement='static'>4</vcpu>")).cpu
    assert (found.sockets, found.cores, found.threads) == (1, 2, 2)
    with pytest.raises(BadDefinition, match="are not 1 virtual CPUs"):
        read(domain(more=places))


def test_a_kernel_is_booted_directly() -> None:
    found = read(domain(os="<kernel>/boot/k</kernel><initrd>/boot/i</initrd><cmdline>console=ttyS0 a=','</cmdline>"))
    assert found.boot == Boot("/boot/k", "/boot/i", "console=ttyS0 a=','")


def test_boot_order_goes_to_the_first_device_of_each_kind() -> None:
    cdrom = "<disk type='file' device='cdrom'><target dev='hdc'/></disk>"
    second = DISK.replace("vda", "vdb").replace("a.img", "b.img")
    card = "<interface type='user'/>"
    found = read(domain(DISK + second + cdrom + card, os="<boot dev='network'/><boot dev='cdrom'/><boot dev='hd'/>"))
    assert [(disk.target, disk.boot_order) for disk in found.disks] == [("vda", 3), ("vdb", 0), ("hdc", 2)]
    assert [card.boot_order for card in found.interfaces] == [1]


def test_orders_of_devices_outweigh_the_order_of_kinds() -> None:
    own = DISK.replace("</disk>", "<boot order='7'/></disk>")
    assert read(domain(own, os="<boot dev='hd'/>")).disks[0].boot_order == 7


def test_booting_from_a_kind_that_is_not_there_is_no_error() -> None:
    assert read(domain(os="<boot dev='network'/><boot dev='hd'/>")).disks == ()


def test_features_and_clock_are_read() -> None:
    timers = "<timer name='hpet' present='no'/><timer name='rtc' tickpolicy='catchup'/>"
    found = read(domain(more=f"<features><acpi/><apic/></features><clock offset='localtime'>{timers}</clock>"))
    assert found.features == {"acpi", "apic"}
    assert (found.clock, found.hpet, found.catch_up) == ("localtime", False, True)


def test_what_is_said_for_people_is_kept_and_not_reported() -> None:
    said = "<title>T</title><description>D</description><metadata><a xmlns='urn:x'><b c='d'/></a></metadata>"
    assert "urn:x" in read(domain(more=said)).xml


def test_what_nobody_acts_on_is_kept_and_reported_with_its_line() -> None:
    found, unread = from_xml(domain(more="\n<cputune><shares>5</shares></cputune>\n<genid/>"))
    assert unread == ["/domain/cputune (line 2)", "/domain/genid (line 3)"]
    assert "<shares>5</shares>" in found.xml


def test_a_password_is_in_the_value_and_not_in_the_xml() -> None:
    found = read(domain("<graphics type='vnc' passwd='sesame'/>"))
    assert found.graphics is not None
    assert found.graphics.password == "sesame"
    assert "sesame" not in found.xml
    assert "sesame" not in repr(read(found.xml))


def test_what_was_read_reads_the_same_again() -> None:
    found = read(
        domain(DISK + "<interface type='user'/><serial type='null'/><rng model='virtio'><backend model='random'/></rng>")
    )
    again = read(found.xml)
    assert again.xml == found.xml
    assert again == found


@pytest.mark.parametrize("tag", UNSAFE)
def test_what_touches_safety_is_refused_by_name(tag: str) -> None:
    with pytest.raises(Unsupported, match=rf"<{tag}> is not supported here, and ignoring it would not be safe \(line 1\)"):
        read(domain(more=f"<{tag}/>"))


@pytest.mark.parametrize("tag", UNSAFE_DEVICES)
def test_devices_that_touch_safety_are_refused_by_name(tag: str) -> None:
    with pytest.raises(Unsupported, match=f"<{tag}> is not supported here") as refused:
        read(domain(f"<{tag}/>"))
    assert refused.value.subject == "/domain/devices"


@pytest.mark.parametrize("tag", ["loader", "nvram", "acpi", "firmware", "init"])
def test_firmware_that_is_not_ours_is_refused_by_name(tag: str) -> None:
    with pytest.raises(Unsupported, match=f"<{tag}> is not supported here"):
        read(domain(os=f"<{tag}>/x</{tag}>"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (domain(kind="xen"), "guests of type 'xen'"),
        (domain().replace(" type='qemu'", ""), "guests of type ''"),
        (domain(machine="microvm"), "machine 'microvm' is not supported, only pc and q35"),
        (domain(machine="pc,accel=kvm"), "machine 'pc,accel=kvm'"),
        (domain().replace(">hvm<", ">linux<"), "'linux', only hvm"),
        (domain(more="<cpu mode='host-model'/>"), "is for type='kvm'"),
        (domain(more="<clock offset='timezone'/>"), "clock offset 'timezone'"),
        (domain(more="<seclabel type='dynamic'/>"), "security labels"),
        (domain("<disk type='file'><source file='/a'/><target dev='hda'/></disk>", machine="q35"), "no IDE bus"),
    ],
)
def test_what_is_not_done_here_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(Unsupported, match=words) as refused:
        read(text)
    assert refused.value.code is Code.CONFIG_UNSUPPORTED
    assert refused.value.subject


def test_a_label_that_asks_for_nothing_is_fine() -> None:
    read(domain(more="<seclabel type='none'/>"))


NAMELESS = domain().replace("<name>web</name>", "<name>{}</name>")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<pool/>", "expected <domain>"),
        (NAMELESS.format(""), "<name> is ''"),
        (NAMELESS.format("a/b"), "without '/'"),
        (NAMELESS.format(".web"), "not starting with"),
        (NAMELESS.format("n" * 101), "1 to 100 characters"),
        (NAMELESS.format("a\nb"), "expected 1 to 100"),
        (domain().replace("<name>web</name>", ""), "<name> is missing"),
        (domain().replace("<name>web</name>", "<name>a</name><name>b</name>"), "<name> may stand only once"),
        (domain().replace(UUID, "nonsense"), "expected a UUID"),
        (domain().replace("<memory unit='MiB'>16</memory>", ""), "<memory> is missing"),
        (domain().replace(">16<", "><"), "expected a whole number"),
        (domain().replace(">16<", ">0<"), "expected 1 to"),
        (domain().replace(">16<", ">1e3<"), "expected a whole number"),
        (domain().replace(">16<", f">{'9' * 200}<"), "expected a whole number"),
        (domain().replace("MiB", "bytes"), "expected 1 MiB to 16 TiB"),
        (domain().replace("MiB", "TiB").replace(">16<", ">17<"), "expected 1 MiB to 16 TiB"),
        (domain().replace("MiB", "acres"), "unknown unit"),
        (domain(vcpu="<vcpu>0</vcpu>"), "vcpu is 0, expected 1 to 255"),
        (domain(vcpu="<vcpu placement='auto'>1</vcpu>"), "'placement' is 'auto'"),
        (domain(more="<cpu><model>a,b</model></cpu>"), "expected the name of a processor"),
        (domain(more="<cpu><feature name='x=on,y'/></cpu>"), "expected the name of a feature"),
        (domain(more="<cpu><feature policy='require'/></cpu>"), "'name' is missing"),
        (domain(more="<cpu><topology sockets='1' cores='1'/></cpu>"), "'threads' is missing"),
        (domain(more="<cpu><topology sockets='1' dies='2' cores='1' threads='1'/></cpu>"), "'dies' is '2'"),
        (domain(os="<kernel>k</kernel>"), "expected an absolute path"),
        (domain(os="<cmdline>quiet</cmdline>"), "mean nothing without <kernel>"),
        (domain(os="<boot dev='fd'/>"), "'dev' is 'fd'"),
        (domain(os="<bootmenu enable='maybe'/>"), "'enable' is 'maybe'"),
        (domain(more="<on_reboot>explode</on_reboot>"), "<on_reboot> is 'explode'"),
        (domain(more="<on_crash>coredump-destroy</on_crash>"), "<on_crash> is"),
        (domain("<emulator>/bin/sh</emulator>"), "expected the absolute path of qemu-system-x86_64"),
        (domain("<emulator>qemu-system-x86_64</emulator>"), "expected the absolute path"),
        (domain(DISK + DISK), "two disks have the same target or place: vda, vda"),
        (domain(DISK + DISK.replace("'vda'", "'sda' bus='virtio'")), "same target or place"),
        (domain("<memballoon model='xen'/>"), "'model' is 'xen'"),
        (domain("<memballoon/>"), "'model' is None"),
        (domain("<panic model='pseries'/>"), "'model' is 'pseries'"),
        (domain("<input type='tablet'/>"), "'type' is 'tablet'"),
        (domain("</devices><devices>"), "<devices> may stand only once"),
    ],
)
def test_bad_definitions_say_what_is_wrong_and_where(text: str, words: str) -> None:
    with pytest.raises(BadDefinition, match=words) as refused:
        from_xml(text)
    assert refused.value.code is Code.XML_ERROR


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<domain",
        "<domain type='qemu'></name>",
        f"<!DOCTYPE domain [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>{LEAST.replace('web', '&a;')}",
        domain(more="<a>" * 100 + "</a>" * 100),
        domain(more="<a/>" * 30_000),
        domain(more=" " * (5 << 20)),
        LEAST.replace("web", "\x00"),
    ],
)
def test_hostile_xml_ends_in_an_ordinary_error(text: str) -> None:
    with pytest.raises(BadDefinition):
        from_xml(text)


ODD = st.text(alphabet=st.sampled_from("abz019.,/=-:'\"&<> \n\t\x00äé\ud800%$"), max_size=12)


@given(name=ODD, number=ODD, path=ODD)
def test_whatever_stands_in_a_definition_it_is_read_or_refused(name: str, number: str, path: str) -> None:
    text = LEAST.replace("web", name).replace("16384", number).replace("</os>", f"<kernel>{path}</kernel></os>")
    try:
        found, _ = from_xml(text)
    except (BadDefinition, Unsupported):
        return
    assert "/" not in found.name
    assert "\n" not in found.name + found.boot.kernel
