"""Who may call what, and how much of it at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.unit.ipc.words import request
from tierhost.ipc.admission import (
    INTRODUCTION_S,
    STRANGERS_MAX,
    STRANGERS_PER_PEER_MAX,
    Admission,
    Admitted,
    Arrival,
    OpenRequests,
)
from tierhost.ipc.credentials import PeerCredentials
from tierhost.ipc.directory import Directory, Entry
from tierhost.ipc.errors import AccessDenied, Busy, DeadlineExceeded, NoSuchMethod, PeerDied, TierhostError
from tierhost.ipc.limits import IN_FLIGHT_MAX, IN_FLIGHT_PER_PEER_MAX

OWNER_UID = 1000
QEMU = Entry("qemu", 2, "/run/qemu.2", pid=22, needs=frozenset({"secret.get_value"}))
NETWORK = Entry("network", 5, "/run/network.5", pid=55)
OFFERS = {"get_value": True, "list": False}


@pytest.fixture
def directory() -> Directory:
    made = Directory()
    made.up(QEMU)
    made.up(NETWORK)
    return made


@pytest.fixture
def admission(directory: Directory) -> Admission:
    return Admission("secret", 3, OWNER_UID, OFFERS, directory)


def arrival(method: str, *, pid: int = 99, uid: int = 0, arrived_s: float = 100.0, **fields: Any) -> Arrival:
    return Arrival(b"route", PeerCredentials(uid, uid, pid), request(method, **{"incarnation": 3, **fields}), arrived_s)


@pytest.fixture
def requests() -> OpenRequests:
    """Count the open requests of a life of secret."""
    return OpenRequests("secret")


def verdict(admission: Admission, asked: Arrival) -> str:
    """Say in one word what becomes of a request."""
    try:
        admitted = admission.admit(asked)
    except TierhostError as error:
        return type(error).__name__
    if admitted is None:
        return "waits"
    return admitted.entry.driver if admitted.entry else "client"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (arrival("get_value", pid=QEMU.pid, caller="qemu"), "qemu"),
        (arrival("get_value", pid=QEMU.pid, caller="network"), "qemu"),
        (arrival("get_value", pid=NETWORK.pid, caller="network"), "AccessDenied"),
        (arrival("get_value", pid=NETWORK.pid, caller="qemu"), "AccessDenied"),
        (arrival("get_value"), "AccessDenied"),
        (arrival("get_value", uid=OWNER_UID), "AccessDenied"),
        (arrival("list", pid=NETWORK.pid), "network"),
        (arrival("list"), "client"),
        (arrival("list", uid=OWNER_UID), "client"),
        (arrival("list", uid=OWNER_UID + 1), "AccessDenied"),
        (arrival("list", uid=65534), "AccessDenied"),
        (arrival("undefine"), "NoSuchMethod"),
        (arrival("_vault"), "NoSuchMethod"),
        (arrival("undefine", pid=QEMU.pid), "NoSuchMethod"),
        (arrival("list", incarnation=0), "client"),
        (arrival("list", incarnation=2), "PeerDied"),
        (arrival("list", incarnation=4), "PeerDied"),
    ],
)
def test_what_the_kernel_says_and_the_manifest_grants_decides(admission: Admission, asked: Arrival, expected: str) -> None:
    assert verdict(admission, asked) == expected


def test_a_life_that_is_not_initialized_says_so_and_not_that_it_has_no_such_method(directory: Directory) -> None:
    offers: dict[str, bool] = {}
    unborn = Admission("secret", 3, OWNER_UID, offers, directory)
    assert verdict(unborn, arrival("list")) == "PeerAbsent"
    offers.update(OFFERS)
    assert verdict(unborn, arrival("list")) == "client"


def test_a_refusal_says_which_line_is_missing_where(admission: Admission) -> None:
    with pytest.raises(AccessDenied, match=r"'network' does not need secret.get_value .*needs"):
        admission.admit(arrival("get_value", pid=NETWORK.pid))
    with pytest.raises(NoSuchMethod, match="'undefine'"):
        admission.admit(arrival("undefine"))
    with pytest.raises(NoSuchMethod, match="did you mean list"):
        admission.admit(arrival("lst"))
    with pytest.raises(NoSuchMethod) as caught:
        admission.admit(arrival("zzzz"))
    assert "list" in caught.value.hint
    assert "get_value" not in caught.value.hint, "a service is nothing a client could call"
    with pytest.raises(PeerDied, match="life 2 is over, this is life 3"):
        admission.admit(arrival("list", incarnation=2))


def test_the_instant_its_caller_gives_up_counts_from_the_arrival() -> None:
    assert arrival("list", arrived_s=100.0, remaining_s=2.5).deadline_s == 102.5


# Lives the directory does not show yet.


def test_a_life_that_calls_before_it_is_introduced_waits_for_the_host(admission: Admission, directory: Directory) -> None:
    early = arrival("get_value", pid=77, caller="lxc")
    assert verdict(admission, early) == "waits"
    assert admission.has_strangers()
    assert admission.introduced(100.1) == []
    directory.up(Entry("lxc", 1, "/run/lxc.1", pid=77, needs=frozenset({"secret.get_value"})))
    [(settled, admitted)] = admission.introduced(100.2)
    assert settled is early
    assert isinstance(admitted, Admitted)
    assert admitted.entry is not None
    assert not admission.has_strangers()


def test_a_life_that_is_never_introduced_is_a_client_like_any_other(admission: Admission) -> None:
    for method in ("get_value", "list"):
        assert verdict(admission, arrival(method, pid=77, caller="lxc")) == "waits"
    assert admission.introduced(100.0 + INTRODUCTION_S - 0.01) == []
    (_, service), (_, read) = admission.introduced(100.0 + INTRODUCTION_S)
    assert isinstance(service, AccessDenied)
    assert isinstance(read, Admitted)


def test_an_early_call_whose_caller_has_given_up_is_not_run(admission: Admission, directory: Directory) -> None:
    assert verdict(admission, arrival("list", pid=77, caller="lxc", remaining_s=0.1)) == "waits"
    directory.up(Entry("lxc", 1, "/run/lxc.1", pid=77))
    [(_, settled)] = admission.introduced(100.2)
    assert isinstance(settled, DeadlineExceeded)


def test_the_waiting_room_has_seats_for_each_and_for_all(admission: Admission) -> None:
    one = [verdict(admission, arrival("get_value", pid=77, caller="lxc")) for _ in range(STRANGERS_PER_PEER_MAX + 1)]
    assert one == ["waits"] * STRANGERS_PER_PEER_MAX + ["AccessDenied"]
    many = [verdict(admission, arrival("get_value", pid=1000 + n, caller="lxc")) for n in range(STRANGERS_MAX)]
    assert many.count("waits") == STRANGERS_MAX - STRANGERS_PER_PEER_MAX


# How much at once.


def test_a_flood_of_one_process_is_refused_and_the_others_are_served(requests: OpenRequests) -> None:
    for _ in range(IN_FLIGHT_PER_PEER_MAX):
        requests.begin(99)
    with pytest.raises(Busy, match="this caller"):
        requests.begin(99)
    requests.begin(98)
    requests.finish(99)
    requests.begin(99)


def test_all_callers_together_have_a_bound(requests: OpenRequests) -> None:
    for pid in range(IN_FLIGHT_MAX):
        requests.begin(1000 + pid)
    with pytest.raises(Busy, match="all callers"):
        requests.begin(99)
    requests.finish(1000)
    requests.begin(99)


def test_requests_finished_by_many_threads_are_all_counted(requests: OpenRequests) -> None:
    def serve(pid: int) -> None:
        for _ in range(500):
            requests.begin(pid)
            requests.finish(pid)

    threads = [threading.Thread(target=serve, args=(5000 + n % 2,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for pid in (5000, 5001):
        for _ in range(IN_FLIGHT_PER_PEER_MAX):
            requests.begin(pid)
