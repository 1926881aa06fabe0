"""Records of calls are found, bounded, and planned before they are believed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tierhost.workers.runtime.calllog import CALLS_KEPT, PAGE_CALLS_MAX, CallLog, Page


def write(log: CallLog, stored: dict[str, Page], records: dict[str, tuple[bool, object] | None]) -> None:
    planned = log.plan(records)
    log.apply(planned)
    for name, page in planned.items():
        if page is None:
            stored.pop(name, None)
        else:
            stored[name] = page


def test_a_plan_changes_nothing() -> None:
    log = CallLog({})
    assert log.plan({"a": (True, 1)}) == {"000000000001": {"a": (True, 1)}}
    assert log.find("a") is None


def test_a_record_is_replaced_where_it_stands() -> None:
    log, stored = CallLog({}), dict[str, Page]()
    write(log, stored, {"a": (False, None)})
    for number in range(PAGE_CALLS_MAX * 2):
        write(log, stored, {str(number): (True, number)})
    assert set(log.plan({"a": (True, "done")})) == {"000000000001"}
    write(log, stored, {"a": (True, "done")})
    assert log.find("a") == (True, "done")


def test_struck_out_records_are_gone() -> None:
    log, stored = CallLog({}), dict[str, Page]()
    write(log, stored, {"a": (False, None), "b": (True, 1)})
    write(log, stored, {"a": None, "never there": None})
    assert log.find("a") is None
    assert log.find("b") == (True, 1)


def test_never_more_pages_than_needed_and_never_fewer_records_than_promised() -> None:
    log, stored = CallLog({}), dict[str, Page]()
    for number in range(CALLS_KEPT * 3):
        write(log, stored, {str(number): (True, number)})
        assert len(stored) <= CALLS_KEPT // PAGE_CALLS_MAX + 2
    assert all(log.find(str(number)) for number in range(CALLS_KEPT * 2, CALLS_KEPT * 3))


@given(st.lists(st.tuples(st.integers(0, 40), st.one_of(st.none(), st.booleans()))))
def test_what_is_stored_reads_back_as_what_is_known(steps: list[tuple[int, bool | None]]) -> None:
    log, stored, known = CallLog({}), dict[str, Page](), dict[str, tuple[bool, object]]()
    for call, answered in steps:
        record = None if answered is None else (answered, call)
        write(log, stored, {str(call): record})
        known.pop(str(call), None)
        if record is not None:
            known[str(call)] = record
    again = CallLog(stored)
    for call in range(41):
        assert log.find(str(call)) == again.find(str(call)) == known.get(str(call))
