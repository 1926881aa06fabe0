"""Reports of a hand-made run: whole, valid, small, readable without colour, and harmless whatever they quote."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from tests.unit.drills.reports.made import COMMAND, made_run
from tests.unit.drills.reports.schema import mistakes
from tierhost.drills.history import Call, History
from tierhost.drills.reports import FILES, as_html, as_json, as_junit, as_trace, write
from tierhost.drills.reports.blast import HUNG, NEVER, REFUSED, UNHARMED, matrix
from tierhost.drills.reports.curves import duration
from tierhost.drills.reports.report_schema import SCHEMA
from tierhost.drills.reports.results import Run, Trial
from tierhost.drills.reports.timeline import nice_step
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "</script><script>alert(1)</script>\x00\ud800 & <b>"


@cache
def run() -> Run:
    return made_run(1)


@cache
def page() -> str:
    return as_html.render(run())


def evil() -> Run:
    """What a worker may say, a report must be able to quote."""
    history = replace(run().trials[0].history, notes=(EVIL,))
    calls = tuple(replace(each, text=EVIL, kind=EVIL, outcome="failed") for each in history.calls[:5])
    finding = Finding("evil", Verdict.BROKEN, EVIL, (EVIL,))
    return replace(run(), trials=(Trial(replace(history, calls=calls), (finding,)),), command=EVIL)


def test_every_file_is_written_whole(tmp_path: Path) -> None:
    paths = write(tmp_path / "out", run())
    assert sorted(path.name for path in paths) == sorted(FILES)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)


def test_the_json_report_is_as_its_schema_says() -> None:
    told = json.loads(as_json.render(run()))
    assert list(mistakes(told, SCHEMA)) == []
    assert told["verdict"] == "BROKEN"
    assert told["command"] == COMMAND
    assert told["trials"][0]["history"]["calls"][0]["method"].startswith(("secret", "storage", "qemu"))


@pytest.mark.parametrize(
    ("key", "wrong"), [("verdict", "FINE"), ("trials", 3), ("more", 1), ("format", "2"), ("matrix", [{"operation": 1}])]
)
def test_a_report_that_is_not_as_its_schema_says_is_found(key: str, wrong: object) -> None:
    assert list(mistakes({**as_json.value(run()), key: wrong}, SCHEMA))


def test_the_junit_report_counts_unknown_as_no_pass() -> None:
    whole = etree.fromstring(as_junit.render(run()).encode())
    assert (whole.get("tests"), whole.get("failures"), whole.get("errors")) == ("4", "1", "1")
    assert {case.get("name") for case in whole.iter("testcase") if case.find("failure") is not None} == {"exact_restart"}
    told = {each.get("name"): each.get("value") for each in whole.iter("property")}
    assert told["seed"] == "1"
    assert told["replay"] == COMMAND
    assert "kill of host at phase INITIALIZING of storage" in (told["schedule"] or "")


def test_the_trace_has_every_call_strike_and_life() -> None:
    events = json.loads(as_trace.render(run()))["traceEvents"]
    history = run().trials[0].history
    assert sum(event["ph"] == "b" for event in events) == len(history.calls) == sum(event["ph"] == "e" for event in events)
    assert sum(event.get("cat") == "strike" for event in events) == 3
    assert {"host", "storage", "guest web", "strikes"} <= {event["args"]["name"] for event in events if event["ph"] == "M"}
    for event in events:
        assert event["ph"] == "M" or event["ts"] >= 0
        assert event.get("dur", 0) >= 0


def test_the_page_needs_nothing_from_anywhere_and_is_small() -> None:
    text = page()
    assert not re.search(r"(?:src|href)=|url\(['\"]?(?!#)|@import|<script|<link|<iframe", text)
    assert set(re.findall(r"https?://[^\s\"<]+", text)) == {"http://www.w3.org/2000/svg"}
    assert len(text.encode()) < as_html.BYTES_MAX
    assert "prefers-color-scheme: dark" in text


def test_the_page_says_what_matters() -> None:
    text = page()
    for words in (
        "\N{HEAVY BALLOT X} BROKEN",
        COMMAND,
        "pool vault: active is False",
        "Blast radius",
        "kill of storage",
        "PeerDied",
    ):
        assert words in text
    assert "95 % interval" in text


def test_every_drawing_has_words_beside_it() -> None:
    text = page()
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) >= 2
    for drawing in drawings:
        (labels,) = re.findall(r'aria-labelledby="([^"]+)"', drawing)
        for name in labels.split():
            assert re.search(rf'<(title|desc) id="{name}">[^<]+<', drawing)
    names = re.findall(r' id="([^"]+)"', text)
    assert len(names) == len(set(names))
    assert '<html lang="en">' in text


def test_what_is_quoted_stays_text() -> None:
    text = as_html.render(evil())
    assert "<script" not in text
    etree.fromstring(as_junit.render(evil()).encode())
    json.loads(as_json.render(evil()))
    json.loads(as_trace.render(evil()))


def test_reports_of_what_a_worker_said_can_be_written(tmp_path: Path) -> None:
    assert len(write(tmp_path, evil())) == len(FILES)


def test_a_run_of_nothing_is_unknown_and_can_be_reported() -> None:
    nothing = Run(run().drill, (), COMMAND)
    assert nothing.verdict is Verdict.UNKNOWN
    assert "UNKNOWN" in as_html.render(nothing)
    assert list(mistakes(json.loads(as_json.render(nothing)), SCHEMA)) == []
    bare = Run(run().drill, (Trial(History("bare", "libvirtd", 1, 0.0, 0.0), ()),), COMMAND)
    assert "UNKNOWN" in as_html.render(bare)


def test_a_great_run_stays_below_a_megabyte() -> None:
    trial = run().trials[0]
    calls = tuple(replace(each, outcome="failed", text="x" * 500) for each in trial.history.calls * 8)
    large = Trial(replace(trial.history, calls=calls), trial.findings * 30)
    assert len(as_html.render(replace(run(), trials=(large,) * 6)).encode()) < as_html.BYTES_MAX


def test_the_matrix_says_the_worst_that_happened() -> None:
    trial = run().trials[0]
    hung = Call(9999, "secret.secret_list", (), trial.history.began_s + 7, 1.0, None)
    whole = matrix([Trial(replace(trial.history, calls=(*trial.history.calls, hung)), ())])
    assert whole.cell("storage.storage_pool_list", "kill of storage").word == REFUSED
    assert whole.cell("qemu.domain_list", "kill of storage").word == UNHARMED
    assert whole.cell("secret.secret_list", "kill of guest ledger").word == HUNG
    assert whole.cell("storage.storage_pool_create", "kill of host").word == NEVER


def test_times_and_ticks_read_well() -> None:
    assert [duration(value) for value in (0.0000123, 0.0123, 1.5, float("inf"))] == ["12.3 µs", "12.3 ms", "1.5 s", "∞"]
    assert [nice_step(length, 9) for length in (0.9, 10.0, 61.0)] == [pytest.approx(0.1), 2.0, 10.0]
