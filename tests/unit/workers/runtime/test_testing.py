"""The kit for tests of drivers: what it lets through, and what it refuses as the real runtime does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tierhost.ipc.codec import NotInLanguage
from tierhost.workers.runtime.contract import (
    AccessDenied,
    CallError,
    Code,
    DriverError,
    InhibitCallback,
    InitResult,
    PeerAbsent,
    StateDriver,
    change,
    read,
    service,
)
from tierhost.workers.runtime.testing import live, make_context
from tierhost.workers.secret.driver import SecretDriver
from tierhost.workers.storage.driver import StorageDriver

if TYPE_CHECKING:
    from pathlib import Path


class FakeSecret:
    """Stands in for the secret driver."""

    def get_value(self, uuid: str) -> bytes:
        return f"value of {uuid}".encode()


class Counter(StateDriver):
    """Counts."""

    name = "counter"
    needs = ("secret.get_value",)

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        inhibit(held=privileged, why="it counts")
        return InitResult.COMPLETE

    @change()
    def count(self) -> int:
        """Count one more."""
        with self.context.persistent.transaction() as t:
            number = (self.context.persistent.get("counts", "all") or {"n": 0})["n"] + 1
            t.put("counts", "all", {"n": number})
            t.reply(number)
        self.context.emit("counted", "all", {"n": number})
        self.context.later(60.0, lambda: self.context.degrade("all", "too many"))
        return int(number)

    @read()
    def ask(self, driver: str, method: str, *, locked: bool = False) -> Any:
        """Ask another driver."""
        if not locked:
            return self.context.services.call(driver, method, ("1",), {})
        with self.context.jobs.changing("all"):
            return self.context.services.call(driver, method, ("1",), {})

    @service()
    def who(self) -> str:
        """Say who asks."""
        caller = self.context.caller()
        return caller.driver if caller else "nobody"

    @read()
    def nonsense(self) -> Any:
        """Return what cannot travel."""
        return object()

    @read()
    def say_nonsense(self) -> None:
        """Tell what cannot travel."""
        self.context.emit("nonsense", "all", {"what": object()})


def test_what_is_acknowledged_in_one_life_is_there_in_the_next(tmp_path: Path) -> None:
    with live(Counter, tmp_path) as life:
        assert life.call("count") == 1
    with live(Counter, tmp_path) as life:
        assert life.call("count") == 2


def test_a_repeated_change_gets_its_recorded_answer_also_in_the_next_life(tmp_path: Path) -> None:
    with live(Counter, tmp_path) as life:
        assert life.call("count", call_id=b"one change") == 1
    with live(Counter, tmp_path) as life:
        assert life.call("count", call_id=b"one change", attempt=2) == 1
        assert life.call("count") == 2


def test_what_the_driver_says_to_its_host_is_kept(tmp_path: Path) -> None:
    with live(Counter, tmp_path) as life:
        life.call("count")
        assert life.host.kinds() == ["counted"]
        assert life.host.degraded == {}
        life.run_later()
        assert life.host.degraded == {"all": "too many"}
        assert life.host.held_off == ("it counts" if life.context.privileged else "")


def test_a_need_is_answered_by_its_fake(tmp_path: Path) -> None:
    with live(Counter, tmp_path, services={"secret": FakeSecret()}) as life:
        assert life.call("ask", "secret", "get_value") == b"value of 1"


def test_what_the_manifest_does_not_need_is_refused(tmp_path: Path) -> None:
    with live(Counter, tmp_path, services={"secret": FakeSecret()}) as life, pytest.raises(AccessDenied, match="does not need"):
        life.call("ask", "secret", "secret_list")


def test_a_call_to_another_driver_under_a_lock_is_refused(tmp_path: Path) -> None:
    with live(Counter, tmp_path, services={"secret": FakeSecret()}) as life, pytest.raises(CallError, match="while it holds all"):
        life.call("ask", "secret", "get_value", locked=True)


def test_a_service_without_a_fake_is_an_absent_driver(tmp_path: Path) -> None:
    with live(Counter, tmp_path) as life, pytest.raises(PeerAbsent, match="no fake"):
        life.call("ask", "secret", "get_value")


def test_a_service_is_for_workers(tmp_path: Path) -> None:
    with live(Counter, tmp_path) as life:
        assert life.call("who", by="qemu") == "qemu"
        with pytest.raises(AccessDenied):
            life.call("who")


def test_what_cannot_travel_is_found_out(tmp_path: Path) -> None:
    with live(Counter, tmp_path) as life:
        with pytest.raises(CallError, match="cannot travel"):
            life.call("nonsense")
        with pytest.raises(NotInLanguage):
            life.driver.say_nonsense()  # type: ignore[attr-defined]


def test_wrong_arguments_are_the_caller_s_mistake(tmp_path: Path) -> None:
    with live(Counter, tmp_path) as life, pytest.raises(DriverError) as caught:
        life.call("count", "one argument too many")
    assert caught.value.code is Code.INVALID_ARG


def test_a_reboot_empties_the_run_store_only(tmp_path: Path) -> None:
    with make_context(Counter, tmp_path) as context:
        context.run.put("t", "k", {"a": 1})
        context.persistent.put("t", "k", {"a": 1})
    with make_context(Counter, tmp_path, boot_id="boot 2") as context:
        assert (context.run.get("t", "k"), context.persistent.get("t", "k")) == (None, {"a": 1})


@pytest.mark.parametrize(("driver", "name"), [(SecretDriver, "secret"), (StorageDriver, "storage"), (Counter, "counter")])
def test_the_name_is_that_of_the_manifest_or_the_class(driver: type[StateDriver], name: str, tmp_path: Path) -> None:
    with make_context(driver, tmp_path) as context:
        assert context.name == name
