"""When spares are ordered, and when better not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.host.shell.fakes import NODEDEV, QEMU, STORAGE, FakeShell
from tierhost.host.config import Config
from tierhost.host.core import events
from tierhost.host.shell import nursery
from tierhost.host.shell.nursery import QUIET_S, SPARE_DEATHS_MAX, SPARE_DEATHS_PERIOD_S
from tierhost.ipc.messages import Hello, VerbDone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierhost.host.shell.processes import Body

LATER_S = 1e9


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[FakeShell]:
    """A host with one driver that wants a warm spare, and one spare for all."""
    made = FakeShell(tmp_path, STORAGE, NODEDEV, QEMU, config=Config(spares=1))
    yield made
    made.close()


class FakeZygoteProcess:
    """What replaces a zygote that died."""

    def begin(self, preload: tuple[str, ...]) -> None:
        self.preload = preload


def ordered(shell: FakeShell) -> list[str]:
    """For which drivers processes were ordered since; empty for none in particular."""
    orders, shell.zygote.orders = shell.zygote.orders, []
    return [order["launch"]["warm"]["name"] if order["launch"]["warm"] else "" for order in orders]


def initialized(shell: FakeShell) -> Body:
    """Let storage live, as far as initialize."""
    body = shell.spare("storage")
    shell.spare("")
    shell.tell(events.HostStarted())
    shell.tell(*shell.hear(body, Hello(1, "storage", 1, "")))
    shell.tell(*shell.hear(body, VerbDone("storage", 1, 1, "state_initialize", "complete", "")))
    ordered(shell)
    return body


def test_spares_without_a_role_are_ordered_up_to_their_number(shell: FakeShell) -> None:
    shell.nursery.tend(LATER_S)
    assert ordered(shell) == [""]
    shell.nursery.tend(LATER_S)
    assert ordered(shell) == []


def test_a_driver_that_has_come_up_gets_its_next_warm_spare_once_it_is_quiet(shell: FakeShell) -> None:
    initialized(shell)
    since_s = shell.core.driver("storage").since_s
    shell.nursery.tend(since_s + QUIET_S - 0.01)
    assert ordered(shell) == [""]
    shell.nursery.tend(since_s + QUIET_S + 0.01)
    shell.nursery.tend(since_s + QUIET_S + 0.02)
    assert ordered(shell) == ["storage"]


def test_a_driver_that_is_not_up_gets_no_warm_spare(shell: FakeShell) -> None:
    assert shell.core.driver("storage").phase == "DORMANT"
    shell.nursery.tend(LATER_S)
    assert "storage" not in ordered(shell)


def test_while_somebody_is_getting_up_nobody_is_ordered(shell: FakeShell) -> None:
    shell.tell(events.HostStarted())
    ordered(shell)
    assert not shell.body("storage").assigned
    shell.nursery.tend(LATER_S)
    assert ordered(shell) == []


def test_a_host_that_ends_orders_nobody(shell: FakeShell) -> None:
    shell.tell(events.HostStarted(), events.ShutdownAsked(save=False, force=True))
    shell.processes.bodies.by_driver.clear()
    ordered(shell)
    shell.nursery.tend(LATER_S)
    assert ordered(shell) == []


def test_a_dead_spare_is_told_cleared_away_and_replaced(shell: FakeShell) -> None:
    spare = shell.spare("")
    spare.exited, spare.how = True, "killed by SIGKILL"
    shell.nursery.died(spare)
    assert (shell.processes.killed, shell.processes.forgotten) == ([spare], [spare])
    assert [event.details["how"] for event in shell.said("spare-died")] == ["killed by SIGKILL"]
    ordered(shell)
    shell.nursery.tend(LATER_S)
    assert ordered(shell) == [""]


def test_spares_that_die_like_flies_are_not_replaced_before_a_while_is_over(
    shell: FakeShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 500.0)
    for _ in range(SPARE_DEATHS_MAX):
        shell.nursery.died(shell.spare(""))
    ordered(shell)
    shell.nursery.tend(500.0 + SPARE_DEATHS_PERIOD_S - 0.1)
    assert ordered(shell) == []
    shell.nursery.tend(500.0 + SPARE_DEATHS_PERIOD_S)
    assert ordered(shell) == [""]


@pytest.mark.parametrize(("bore", "preload"), [(True, ("json",)), (False, ())])
def test_a_new_zygote_preloads_what_the_last_one_survived(
    bore: bool, preload: tuple[str, ...], shell: FakeShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nursery, "Zygote", FakeZygoteProcess)
    shell.zygote.preload, shell.zygote.bore = ("json",), bore
    born, unborn = shell.spare(""), shell.processes.order()
    assert shell.nursery.replace_zygote() == [unborn]
    assert shell.zygote.closed
    assert shell.processes.zygote.preload == preload
    assert list(shell.processes.bodies.by_identity.values()) == [born]
