"""The second cut: which first cuts it takes, and what may be found before and after the restart said what is there."""

from __future__ import annotations

import json
import random

from tierhost.drills.power_cut.crashes import Crash
from tierhost.drills.power_cut.disk import Disk
from tierhost.drills.power_cut.judging import Allowed, judge
from tierhost.drills.power_cut.operations import ROOT, Made, Named, Operation, Said, Synced, Written
from tierhost.drills.power_cut.recording import Recording
from tierhost.drills.power_cut.subjects import NEXT_BOOT, TROUBLE, subject
from tierhost.drills.power_cut.twice import Sample, second_cuts

OLD = {TROUBLE: [], "a": 1}
NEW = {TROUBLE: [], "a": 2}
ALLOWED = Allowed(1, "a changes", OLD, NEW)
FIRST = Crash(7, "nothing unsynced", Disk())
OPERATIONS: list[Operation] = [
    Made(1, folder=False, mode=0o600),
    Named(ROOT, "x", 1),
    Written(1, 0, b"mended"),
    Synced(1),
    Said(json.dumps({"said": "done", "number": 0, "title": "recovered", "rows": NEW})),
    Synced(ROOT),
]


def test_what_a_restart_has_said_is_acknowledged_and_nothing_older_will_do() -> None:
    cuts = list(second_cuts(FIRST, ALLOWED, Recording(Disk(), OPERATIONS), seed=1))
    before = [allowed for crash, allowed in cuts if "after 4 operations" in crash.kept]
    after = [allowed for crash, allowed in cuts if "after 5 operations" in crash.kept]
    assert before
    assert after
    assert all(judge(OLD, allowed) is None for allowed in before)
    assert all(judge(OLD, allowed) is not None and judge(NEW, allowed) is None for allowed in after)


def test_a_second_cut_names_the_first_one_and_its_own() -> None:
    crash, _ = next(iter(second_cuts(FIRST, ALLOWED, Recording(Disk(), OPERATIONS), seed=1)))
    assert (crash.cut, crash.kept) == (
        7,
        "nothing unsynced; cut again after 0 operations of the restart, kept: everything was synced",
    )


def test_a_restart_that_never_spoke_leaves_what_the_first_cut_allowed() -> None:
    silent: list[Operation] = [one for one in OPERATIONS if not isinstance(one, Said)]
    assert {allowed.title for _, allowed in second_cuts(FIRST, ALLOWED, Recording(Disk(), silent), seed=1)} == {"a changes"}


def taken(size: int, seed: int) -> list[int]:
    sample = Sample(size, random.Random(seed))
    for cut in range(100):
        sample.offer(Crash(cut, "", Disk()), ALLOWED)
    return [crash.cut for crash, _ in sample.kept]


def test_a_sample_is_that_of_its_seed_and_of_its_size() -> None:
    assert taken(5, 1) == taken(5, 1) != taken(5, 2)
    assert len(taken(5, 1)) == 5
    assert taken(0, 1) == []


def test_each_cut_makes_a_new_boot_unless_the_first_does_not() -> None:
    assert [subject("secret").boot_after(cuts) for cuts in (1, 2)] == [NEXT_BOOT, "boot 3"]
    assert [subject("run-store").boot_after(cuts) for cuts in (1, 2)] == ["boot 1", "boot 1"]
