"""Drill files: the catalogue is right, every mistake has its line, and the schema knows every word of a plan."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from tierhost.drills import drill_file, schema
from tierhost.drills.drill_file import CATALOGUE, BadDrill, find, load
from tierhost.drills.faults import BadPlan
from tierhost.drills.plan import Ask, Drill, Load, Point, Probe, Radius

CATALOGUED = sorted(CATALOGUE.glob("*.toml"))

WHOLE = """
title = "t"
proves = "p"
site = "secrets"
abort_after_s = 5

[[steady]]
title = "there"
method = "secret.secret_list"
tolerance = { count = 3 }

[[asks]]
method = "secret.secret_set_value"
args = ["number {n}", { bytes = "word {n}" }, { file = "pool.xml" }, 7]
times = 2

[load]
per_second = 50
asks = [{ method = "secret.secret_list", deadline_s = 3 }]

[[faults]]
kind = "kill"
target = "any worker"
at = "storage, 2nd call"
options = { jitter_s = 0.5 }

[radius]
drivers = ["secret"]
kinds = ["PeerDied"]
for_s = 2
may_lose = ["secrets *"]

[options]
pace_s = 0.1
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(BadDrill) as refused:
        load(written(folder, text))
    return [line.removeprefix(f"{folder}/mine.toml:") for line in refused.value.text.splitlines()]


@pytest.mark.parametrize("path", CATALOGUED, ids=lambda path: path.stem)
def test_each_drill_of_the_catalogue_can_be_read_and_says_what_it_proves(path: Path) -> None:
    drill = load(path)
    assert drill.name == path.stem
    assert drill.proves
    assert drill.steady
    assert drill.faults or path.stem == "nothing-happens"
    assert drill.load.asks


def test_the_catalogue_is_large_enough_to_be_one() -> None:
    assert len(CATALOGUED) >= 25
    assert len({load(path).proves for path in CATALOGUED}) == len(CATALOGUED)


def test_everything_a_file_says_is_in_the_plan(tmp_path: Path) -> None:
    (tmp_path / "pool.xml").write_text("<pool {n}/>", encoding="utf-8")
    drill = load(written(tmp_path, WHOLE))
    assert drill.name == "mine"
    assert drill.steady == (Probe("there", "secret.secret_list", (), {"count": 3}),)
    assert drill.asks[1] == Ask("secret.secret_set_value", ("number 2", b"word 2", "<pool 2/>", 7), 30.0)
    assert len(drill.asks) == 2
    assert drill.load == Load((Ask("secret.secret_list", (), 3.0),), 50.0)
    assert drill.faults[0].point == Point("call", "storage", ordinal=2)
    assert drill.faults[0].options == {"jitter_s": 0.5}
    assert drill.radius == Radius(("secret",), ("PeerDied",), 2.0, ("secrets *",))
    assert (drill.site, drill.abort_after_s, drill.options) == ("secrets", 5, {"pace_s": 0.1})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("title = 3\nproves = 'p'", "1: title: expected text, got 3"),
        ("title = 't'", "1: the key 'proves' is missing"),
        ("title = 't'\nproves = 'p'\ncolour = 'red'", "3: colour: unknown key (known: title, proves, "),
        ("title = 't'\nproves = 'p'\n[[faults]]\nkind = 'kill'\ntarget = 'x'\nat = 'soon'", "6: faults[1].at: 'soon' is not of"),
        ("title = 't'\nproves = 'p'\n[[faults]]\nkind = 'hex'\ntarget = 'x'\nat = 't+1s'", "4: faults[1].kind: no such fault"),
        ("title = 't'\nproves = 'p'\n\n[[faults]]\nkind = 'kill'", "4: faults[1]: the key 'target' is missing"),
        ("title = 't'\nproves = 'p'\n[load]\nper_second = 0", "4: load.per_second: expected more than 0, got 0"),
        ("title = 't'\nproves = 'p'\n[load]\nper_second = true", "4: load.per_second: expected a number, got True"),
        ("title = 't'\nproves = 'p'\n[[asks]]\nmethod = 'list'", "4: asks[1].method: 'list' is not of the form"),
        (
            "title = 't'\nproves = 'p'\n[[asks]]\nmethod = 'a.b'\nargs = [1, { file = 'no.xml' }]",
            "5: asks[1].args[2]: there is no file 'no.xml' beside this one",
        ),
        (
            "title = 't'\nproves = 'p'\n[radius]\nmay_lose = ['everything']",
            "4: radius.may_lose[1]: 'everything' is not of the form",
        ),
        ("title = 't'\nproves = 'p'\nabort_after_s = -1", "3: abort_after_s: expected at least 0, got -1"),
        ("title = 't'\nproves = ", "2: not TOML: "),
        (
            "title = 't'\nproves = 'p'\n[[faults]]\nkind='kill'\ntarget='x'\nat='a, 2st call'",
            "6: faults[1].at: 'a, 2st call': write",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(tmp_path: Path, text: str, line: str) -> None:
    found = mistakes(tmp_path, text)
    assert any(each.startswith(line) for each in found), found


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    assert len(mistakes(tmp_path, "title = 1\nproves = 2\nsite = 3")) == 3


def test_the_schema_knows_every_field_of_a_plan_and_no_other() -> None:
    derived = {"name"}  # the file's own
    assert set(schema.SCHEMA["properties"]) == {field.name for field in fields(Drill)} - derived
    properties = schema.SCHEMA["properties"]
    assert set(properties["radius"]["properties"]) == {field.name for field in fields(Radius)}
    assert set(properties["load"]["properties"]) == {field.name for field in fields(Load)}
    assert set(properties["steady"]["items"]["properties"]) == {field.name for field in fields(Probe)}
    assert set(properties["asks"]["items"]["properties"]) == {field.name for field in fields(Ask)} | {"times"}
    assert set(properties["faults"]["items"]["properties"]) == {"kind", "target", "at", "options"}


def test_a_drill_is_found_by_its_name_or_its_path() -> None:
    assert find("kill-host") == CATALOGUE / "kill-host.toml"
    assert find("./kill-host.toml") == Path("kill-host.toml")
    with pytest.raises(BadPlan) as refused:
        find("kill-hots")
    assert "kill-host" in refused.value.hint


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill_file, "FILE_BYTES_MAX", 10)
    assert mistakes(tmp_path, "title = 'long enough'")[0].startswith("1: the file has 21 bytes")


def test_what_only_the_tables_know_is_told_beside_what_the_schema_knows(tmp_path: Path) -> None:
    faults = "[[faults]]\nkind = 'kil'\ntarget = 'storage'\nat = 'noon'\n[[faults]]\nkind = 7\ntarget = 'storage'\nat = 't+1s'\n"
    told = mistakes(tmp_path, f"title = 't'\nsite = 'nowhere'\nasks = 3\n{faults}")
    assert [line for line in told if "'nowhere' is no site" in line and line.startswith("2: site: ")]
    assert [line for line in told if line.startswith("5: faults[1].kind: no such fault")]
    assert [line for line in told if line.startswith("7: faults[1].at: ")]
    assert [line for line in told if line.startswith("9: faults[2].kind: ") and "no such fault" not in line]
    assert [line for line in told if "proves" in line]
