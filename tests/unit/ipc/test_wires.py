"""Gates and wires: messages whole or not at all, nobody waited for, everybody known."""

from __future__ import annotations

import os
import resource
import select
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.waiting import until
from tierhost.ipc import wires
from tierhost.ipc.endpoints import AddressInUse
from tierhost.ipc.frames import LENGTH, TooLarge, Unframer, framed
from tierhost.ipc.limits import FRAME_BYTES_MAX
from tierhost.ipc.sockets import Poller
from tierhost.ipc.wires import Closed, Gate, Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierhost.ipc.credentials import PeerCredentials

PATIENCE_S = 5.0


def soon() -> float:
    return time.monotonic() + PATIENCE_S


@pytest.fixture
def gate(folder: Path) -> Iterator[Gate]:
    made = Gate(folder / "gate")
    yield made
    made.close()


@pytest.fixture
def wire(gate: Gate) -> Iterator[Wire]:
    with Wire(gate.path) as made:
        yield made


def received(gate: Gate) -> tuple[bytes, PeerCredentials, bytes]:
    return until(gate.receive, "a message arrives")


# Taking a stream apart.


@given(st.lists(st.binary(max_size=300), max_size=8), st.randoms(use_true_random=False))
def test_however_a_stream_is_cut_the_messages_are_the_same(messages: list[bytes], random: object) -> None:
    stream, found, unframer = b"".join(map(framed, messages)), [], Unframer()
    while stream:
        cut = random.randint(1, len(stream))  # type: ignore[attr-defined]  # a random.Random
        found += unframer.take(stream[:cut])
        stream = stream[cut:]
    assert found == messages


def test_a_length_over_the_limit_is_refused_before_anything_is_kept() -> None:
    with pytest.raises(TooLarge, match=f"{FRAME_BYTES_MAX + 1} bytes"):
        Unframer().take(LENGTH.pack(FRAME_BYTES_MAX + 1))


# Who calls.


def test_a_message_comes_with_the_kernels_word_on_its_sender(gate: Gate, wire: Wire) -> None:
    wire.send(b"hello", soon())
    number, peer, data = received(gate)
    assert (data, peer.pid, peer.uid) == (b"hello", os.getpid(), os.getuid())
    assert gate.send(number, b"welcome")
    assert wire.receive(soon()) == b"welcome"
    assert wire.peer.pid == os.getpid()


def test_answers_go_to_who_asked(gate: Gate) -> None:
    with Wire(gate.path) as one, Wire(gate.path) as other:
        one.send(b"1", soon())
        other.send(b"2", soon())
        for number, _, data in (received(gate), received(gate)):
            gate.send(number, b"to " + data)
        assert (one.receive(soon()), other.receive(soon())) == (b"to 1", b"to 2")


def test_many_messages_at_once_keep_their_order(gate: Gate, wire: Wire) -> None:
    for number in range(100):
        wire.send(str(number).encode(), soon())
    assert [received(gate)[2] for _ in range(100)] == [str(number).encode() for number in range(100)]


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, FRAME_BYTES_MAX])
def test_a_message_of_any_size_arrives_whole_both_ways(gate: Gate, wire: Wire, size: int) -> None:
    data = os.urandom(size)
    sender = threading.Thread(target=wire.send, args=(data, soon()))
    sender.start()
    number, _, came = received(gate)
    sender.join()
    assert came == data
    assert gate.send(number, data)

    def back() -> bytes | None:
        # What the kernel did not take at once goes on its way whenever the gate is looked at.
        gate.receive()
        return wire.receive(time.monotonic() + 0.005)

    assert until(lambda: [answer] if (answer := back()) is not None else None, "the answer is whole") == [data]


# Nobody is waited for, nobody is trusted.


def test_a_caller_that_does_not_read_is_let_go_of_at_a_bound(gate: Gate, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "UNREAD_BYTES_MAX", 1 << 20)
    wire.send(b"talk to me", soon())
    number = received(gate)[0]
    count = 0
    while gate.send(number, b"x" * 65_536):
        count += 1
    assert count < 64
    assert not gate.send(number, b"still there?")


def test_too_long_a_message_costs_its_sender_the_connection_and_nobody_else(gate: Gate, wire: Wire) -> None:
    with socket.socket(socket.AF_UNIX) as hostile:
        hostile.connect(gate.path)
        hostile.sendall(LENGTH.pack(FRAME_BYTES_MAX + 1))
        until(lambda: gate.receive() is None and gate.malformed == 1, "the gate has seen it")
        assert hostile.recv(1) == b""
    wire.send(b"good", soon())
    assert received(gate)[2] == b"good"


def test_half_a_message_holds_nobody_up(gate: Gate, wire: Wire) -> None:
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(gate.path)
        slow.sendall(framed(b"never finished")[:7])
        wire.send(b"good", soon())
        assert received(gate)[2] == b"good"


def test_more_callers_than_there_may_be_are_turned_away(gate: Gate, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    wire.send(b"first", soon())
    assert received(gate)[2] == b"first"
    monkeypatch.setattr(wires, "CONNECTIONS_MAX", 1)
    with Wire(gate.path) as one_too_many:
        # The kernel is asked at every other turn.
        assert [gate.receive(), gate.receive()] == [None, None]
        with pytest.raises(Closed):
            one_too_many.receive(soon())
    wire.send(b"and on", soon())
    assert received(gate)[2] == b"and on"


def test_who_knocks_when_no_descriptor_is_left_is_hung_up_on_and_the_gate_rests(gate: Gate, wire: Wire) -> None:
    wire.send(b"first", soon())
    assert received(gate)[2] == b"first"
    with Wire(gate.path) as one_too_many, Wire(gate.path) as another:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            assert [gate.receive(), gate.receive()] == [None, None]
            wire.send(b"and on", soon())
            assert received(gate)[2] == b"and on"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for turned_away in (one_too_many, another):
            with pytest.raises(Closed):
                turned_away.receive(soon())
        assert not select.select([gate], [], [], 0)[0], "nobody is left who knocks"
    with Wire(gate.path) as later:
        later.send(b"there is room again", soon())
        assert received(gate)[2] == b"there is room again"


def test_answers_to_who_is_gone_go_nowhere(gate: Gate) -> None:
    with Wire(gate.path) as wire:
        wire.send(b"quick", soon())
        number = received(gate)[0]
    until(lambda: gate.receive() is None and not gate.send(number, b"slow"), "the gate has noticed")


def test_the_end_of_the_other_side_is_heard_at_once(gate: Gate, wire: Wire) -> None:
    wire.send(b"are you there?", soon())
    received(gate)
    gate.close()
    start_s = time.monotonic()
    with pytest.raises(Closed):
        wire.receive(soon())
    assert time.monotonic() - start_s < PATIENCE_S / 2
    with pytest.raises(Closed):
        Wire(gate.path)


def test_waiting_ends_at_the_deadline(wire: Wire) -> None:
    start_s = time.monotonic()
    assert wire.receive(start_s + 0.02) is None
    assert 0.01 < time.monotonic() - start_s < wires.LOOK_UP_S


def test_a_peer_that_does_not_read_is_given_up_at_the_deadline(gate: Gate, wire: Wire) -> None:
    assert not wire.send(bytes(FRAME_BYTES_MAX), time.monotonic() + 0.02)


# Its place in the file system, and in the loop.


def test_the_socket_file_is_for_its_owner_alone_and_goes_with_the_gate(folder: Path) -> None:
    gate = Gate(folder / "gate")
    assert (folder / "gate").stat().st_mode & 0o077 == 0
    gate.close()
    assert not (folder / "gate").exists()


def test_a_second_gate_on_a_path_is_refused_and_the_first_goes_on(gate: Gate, wire: Wire) -> None:
    with pytest.raises(AddressInUse, match="gate"):
        Gate(gate.path)
    wire.send(b"still there?", soon())
    assert received(gate)[2] == b"still there?"


def test_a_gate_does_not_remove_the_path_of_its_successor(folder: Path) -> None:
    first = Gate(folder / "gate")
    (folder / "gate").unlink()
    successor = Gate(folder / "gate")
    first.close()
    assert (folder / "gate").exists()
    successor.close()


def test_a_poller_tells_of_callers_and_of_what_was_read_already(gate: Gate, wire: Wire) -> None:
    poller = Poller()
    try:
        poller.register(gate)
        # The wire itself is news: its connection.
        assert poller.poll(PATIENCE_S) == [gate]
        assert gate.receive() is None
        assert poller.poll(0) == []
        wire.send(b"one", soon())
        wire.send(b"two", soon())
        assert poller.poll(PATIENCE_S) == [gate]
        assert received(gate)[2] == b"one"
        # The second is out of the kernel: only the gate knows of it.
        assert poller.poll(PATIENCE_S) == [gate]
        assert received(gate)[2] == b"two"
        assert gate.receive() is None
        assert poller.poll(0) == []
    finally:
        poller.close()
