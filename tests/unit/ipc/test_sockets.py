"""Real ZeroMQ sockets: who speaks, who listens, and what becomes of those who flood, hang, babble or are gone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.unit.ipc.conftest import Keeping
from tierhost.ipc.endpoints import AddressInUse
from tierhost.ipc.limits import FRAME_BYTES_MAX, HIGH_WATER, IN_FLIGHT_PER_PEER_MAX
from tierhost.ipc.sockets import MALFORMED_PER_TURN_MAX, Door, Line, Poller, Sockets, Waiter

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ipc.conftest import Start
    from tierhost.ipc.credentials import PeerCredentials

PATIENCE_S = 5.0


def received(door: Door) -> tuple[bytes, PeerCredentials, bytes]:
    assert door.wait(PATIENCE_S)
    arrived = door.receive()
    assert arrived is not None
    return arrived


def answered(line: Line) -> bytes:
    assert line.wait(PATIENCE_S)
    data = line.receive()
    assert data is not None
    return data


@pytest.fixture
def door(sockets: Sockets, folder: Path) -> Door:
    return sockets.door(folder / "door")


@pytest.fixture
def line(sockets: Sockets, door: Door) -> Line:
    return connected(sockets, door)


def connected(sockets: Sockets, door: Door, *, identity: bytes = b"") -> Line:
    """A line that takes what is sent: until it is connected it refuses."""
    line = sockets.line(door.path, identity=identity)
    assert line.wait_sendable(PATIENCE_S)
    return line


# Who speaks.


def test_a_message_comes_with_the_kernels_word_on_its_sender(door: Door, line: Line) -> None:
    line.send(b"hello")
    routing_id, peer, data = received(door)
    assert (peer.uid, peer.gid, peer.pid, data) == (os.getuid(), os.getgid(), os.getpid(), b"hello")
    assert door.send(routing_id, b"welcome")
    assert answered(line) == b"welcome"


def test_another_process_is_seen_as_what_it_is(door: Door, start_peer: Start) -> None:
    process = start_peer("asks", door.path)
    _, peer, _ = received(door)
    assert peer.pid == process.pid


def test_an_identity_is_taken_from_the_line(sockets: Sockets, door: Door) -> None:
    line = connected(sockets, door, identity=b"w.1")
    line.send(b"parked")
    assert received(door)[0] == b"w.1"


# Paths.


def test_a_second_door_on_a_path_is_refused_and_the_first_goes_on(sockets: Sockets, door: Door, line: Line) -> None:
    with pytest.raises(AddressInUse, match="door"):
        sockets.door(door.path)
    line.send(b"still there?")
    assert received(door)[2] == b"still there?"


def test_the_socket_file_is_for_its_owner_alone_and_goes_with_the_door(door: Door, folder: Path) -> None:
    assert (folder / "door").stat().st_mode & 0o077 == 0
    door.close()
    assert not (folder / "door").exists()


def test_a_door_does_not_remove_the_path_of_its_successor(sockets: Sockets, door: Door, folder: Path) -> None:
    (folder / "door").unlink()
    successor = sockets.door(door.path)
    door.close()
    line = connected(sockets, successor)
    line.send(b"hello")
    assert received(successor)[2] == b"hello"


def test_a_door_in_a_folder_that_is_not_there_names_the_path(sockets: Sockets, folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        sockets.door(folder / "missing" / "door")


def test_closing_all_sockets_removes_their_paths(folder: Path) -> None:
    theirs = Keeping()
    try:
        theirs.door(folder / "short-lived")
        theirs.loudspeaker(folder / "events")
    finally:
        theirs.close()
    assert list(folder.iterdir()) == []


def test_sockets_do_not_cross_a_fork(sockets: Sockets, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(RuntimeError, match="before the fork"):
            sockets.line(folder / "door")


# Whoever does not listen, hangs or floods.


def test_nothing_to_receive_is_nothing_not_a_wait(door: Door, line: Line) -> None:
    assert door.receive() is None
    assert line.receive() is None
    assert not line.wait(0)


def test_a_line_refuses_to_keep_words_for_a_later_listener(sockets: Sockets, folder: Path) -> None:
    line = sockets.line(folder / "door")
    assert not line.send(b"for whom?")
    assert not line.wait_sendable(0)
    door = sockets.door(folder / "door")
    assert line.wait_sendable(PATIENCE_S)
    assert line.send(b"for you")
    assert received(door)[2] == b"for you"


def test_sending_to_nobody_is_told(door: Door) -> None:
    assert not door.send(b"nobody", b"hello")


def test_sending_to_a_peer_that_is_gone_is_told(door: Door, line: Line) -> None:
    line.send(b"hello")
    routing_id = received(door)[0]
    line.close()
    # The door hears of it in its own time: until then what is sent counts as on its way.
    for _ in range(1000):
        if not door.send(routing_id, b"answer"):
            return
        door.wait(0.005)
    pytest.fail("the door never noticed")


def test_a_peer_that_does_not_read_is_refused_more_at_a_bound_and_never_waited_for(door: Door, line: Line) -> None:
    line.send(b"hello")
    routing_id = received(door)[0]
    sent = 0
    while door.send(routing_id, b"x" * 65536):
        sent += 1
        assert sent < 3 * HIGH_WATER


def test_a_flood_is_stopped_at_its_source(door: Door, line: Line) -> None:
    assert door.malformed == 0
    sent = 0
    while line.send(b"x" * 65536):
        sent += 1
        assert sent < 5 * IN_FLIGHT_PER_PEER_MAX


def test_a_flood_that_never_ends_leaves_the_door_open_for_another(sockets: Sockets, door: Door, line: Line) -> None:
    other = connected(sockets, door)
    other.send(b"me too")
    for _ in range(1000):
        while line.send(b"flood" * 1000):
            pass
        if received(door)[2] == b"me too":
            return
    pytest.fail("it was never heard")


# Whoever speaks nonsense.


def test_malformed_messages_are_dropped_and_counted(door: Door, line: Line) -> None:
    line.raw.send_multipart([b"one", b"two", b"three"])
    line.send(b"good")
    assert received(door)[2] == b"good"
    assert door.malformed == 1


def test_a_stream_of_malformed_messages_gives_the_loop_its_turn_back(door: Door, line: Line) -> None:
    assert line.send(b"first")
    received(door)
    for _ in range(MALFORMED_PER_TURN_MAX // 2):
        line.raw.send_multipart([b"one", b"two"])
    for _ in range(MALFORMED_PER_TURN_MAX // 2 + 1):
        line.raw.send_multipart([b"", b"", b""])
    turns = 0
    while door.malformed < MALFORMED_PER_TURN_MAX + 1:
        assert door.wait(PATIENCE_S)
        assert door.receive() is None
        turns += 1
    assert turns >= 2


def test_a_frame_over_the_limit_costs_its_sender_the_connection_and_nobody_else(sockets: Sockets, door: Door, line: Line) -> None:
    line.send(b"x" * (FRAME_BYTES_MAX + 1))
    other = connected(sockets, door)
    other.send(b"good")
    assert received(door)[2] == b"good"
    assert not door.wait(0.02)


# Events.


def test_listeners_hear_the_topics_they_asked_for(sockets: Sockets, folder: Path) -> None:
    loudspeaker = sockets.loudspeaker(folder / "events")
    everything = sockets.listener(folder / "events")
    storage = sockets.listener(folder / "events", (b"storage",))
    for listener in (everything, storage):
        while not listener.wait(0.005):
            loudspeaker.say(b"storage", b"hello?")
    loudspeaker.say(b"host", b"for all")
    loudspeaker.say(b"storage", b"last")
    heard = {id(listener): [listener.receive()] for listener in (everything, storage)}
    for listener in (everything, storage):
        while heard[id(listener)][-1] != b"last":
            assert listener.wait(PATIENCE_S)
            heard[id(listener)].append(listener.receive())
    assert b"for all" in heard[id(everything)]
    assert b"for all" not in heard[id(storage)]
    assert everything.receive() is None


def test_a_loudspeaker_waits_for_nobody(sockets: Sockets, folder: Path) -> None:
    loudspeaker = sockets.loudspeaker(folder / "events")
    sockets.listener(folder / "events")
    for _ in range(3 * HIGH_WATER):
        loudspeaker.say(b"host", b"x" * 1000)


# Waiting.


def test_a_poller_tells_sockets_and_file_descriptors_apart(sockets: Sockets, door: Door, line: Line) -> None:
    poller = Poller()
    fds = [os.eventfd(0) for _ in range(300)]
    try:
        poller.register(door)
        for fd in fds:
            poller.register_fd(fd)
        assert poller.poll(0) == []
        os.eventfd_write(fds[7], 1)
        os.eventfd_write(fds[250], 1)
        line.send(b"hello")
        door.wait(PATIENCE_S)
        assert {*poller.poll(PATIENCE_S)} == {door, fds[7], fds[250]}
        poller.unregister(door)
        poller.unregister_fd(fds[7])
        assert poller.poll(PATIENCE_S) == [fds[250]]
    finally:
        poller.close()
        for fd in fds:
            os.close(fd)


def test_a_waiter_returns_what_is_there(door: Door, line: Line) -> None:
    fd = os.eventfd(0)
    try:
        waiter = Waiter([line, fd])
        assert waiter.wait(0) == []
        assert waiter.wait(0.001) == []
        os.eventfd_write(fd, 1)
        assert waiter.wait(PATIENCE_S) == [fd]
        line.send(b"hello")
        door.send(received(door)[0], b"hello")
        line.wait(PATIENCE_S)
        assert set(waiter.wait(PATIENCE_S)) == {fd, line.raw}
    finally:
        os.close(fd)
