"""After which calls the runtime counts the objects again, for status."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.workers.runtime.contract import InitResult, StateDriver, change, read, service
from tierhost.workers.runtime.outbox import Outbox
from tierhost.workers.runtime.testing import live

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierhost.ipc.messages import Message


class Shelf(StateDriver):
    """Offers one method of each kind."""

    def state_initialize(self, **_: Any) -> InitResult:
        return InitResult.COMPLETE

    @read()
    def look(self) -> None:
        """Change nothing."""

    @change()
    def put(self) -> None:
        """Change something on behalf of a client."""

    @service()
    def hold(self) -> None:
        """Change something that may be repeated freely."""

    @service(inline=True)
    def tell(self) -> None:
        """Answer from memory, in the loop: changes nothing."""


@pytest.mark.parametrize(("method", "by", "again"), [("look", "", False), ("put", "", True), ("hold", "qemu", True)])
def test_objects_are_counted_again_after_what_may_have_changed_them(method: str, by: str, again: bool, tmp_path: Path) -> None:
    with live(Shelf, tmp_path) as life:
        life.call(method, by=by)
        assert life._outbox.dirty is again


def test_an_inline_service_only_reads_so_nothing_is_counted_again(tmp_path: Path) -> None:
    with live(Shelf, tmp_path) as life:
        life.call("tell", by="qemu")
        assert not life._outbox.dirty


@pytest.fixture
def outbox() -> Iterator[Outbox]:
    made = Outbox("shelf", 1)
    yield made
    os.close(made.wake_fd)


def test_what_changes_while_the_report_is_on_its_way_is_reported_next_time(outbox: Outbox) -> None:
    def send(_: Message) -> bool:
        outbox.touch()
        return True

    outbox.report({"things": {"held": 1}}, send)
    assert outbox.dirty


def test_a_report_that_could_not_be_sent_is_tried_again(outbox: Outbox) -> None:
    outbox.report({"things": {"held": 1}}, lambda _: False)
    assert outbox.dirty


def test_a_report_that_says_nothing_new_is_not_sent(outbox: Outbox) -> None:
    sent: list[Message] = []

    def send(message: Message) -> bool:
        sent.append(message)
        return True

    outbox.report({"things": {"held": 1}}, send)
    outbox.report({"things": {"held": 1}}, send)
    assert len(sent) == 1
