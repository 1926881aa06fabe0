"""Who plays which role, from pids, parents and command lines alone."""

from __future__ import annotations

from tierhost.drills.kernel import Process, guest_of, roles

HOST = ("python", "-m", "tierhost.host", "--root", "/tmp/x", "up")
QEMU = ("qemu-system-x86_64", "-name", "guest=web,debug-threads=on", "-uuid", "9c3f", "-S")


def process(pid: int, parent: int, argv: tuple[str, ...] = HOST) -> Process:
    return Process(pid, pid * 100, argv, parent)


def test_everybody_has_a_role() -> None:
    found = [
        process(1, 0),
        process(2, 1),
        process(3, 2),
        process(4, 2),
        process(5, 3, QEMU),
        process(6, 3, ("qemu-img", "create")),
    ]
    assert roles(found, 1, {"storage": 3}) == {1: "host", 2: "zygote", 3: "storage", 4: "spares", 5: "guest web", 6: "other"}


def test_workers_without_a_host_are_known_by_their_records() -> None:
    assert roles([process(3, 1), process(5, 1, QEMU)], 0, {"storage": 3}) == {3: "storage", 5: "guest web"}


def test_a_guest_is_known_by_its_command_line() -> None:
    assert guest_of(QEMU) == ("web", "9c3f")
    assert guest_of(HOST) is None
    assert guest_of(()) is None
