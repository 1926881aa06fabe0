"""Nothing that a person can type, write or meet is missing from the documents."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from tests.architecture.sources import ROOT
from tests.docs.pictures import built_in, error_classes
from tierhost.host import catalog, config
from tierhost.host.cli.arguments import parser
from tierhost.host.core.spec import VERB_LIMITS_S, Policy
from tierhost.host.shell.journal import JOURNAL_BYTES_MAX
from tierhost.host.shell.publisher import EVENTS_KEPT
from tierhost.ipc import limits
from tierhost.ipc.errors import KINDS
from tierhost.workers.runtime.calllog import CALLS_KEPT
from tierhost.workers.runtime.store import ROWS_MAX

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser()._actions:
        if action.dest == "command":
            yield from dict(action.choices or {}).items()


def missing(words: set[str], document: str) -> set[str]:
    """Which of the words the document does not have in backticks."""
    code = " ".join(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", document, flags=re.DOTALL | re.MULTILINE)))
    return {word for word in words if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", code)}


def test_every_command_and_option_is_in_the_operations_guide() -> None:
    words = {name for name, _ in commands()}
    for _, command in commands():
        for action in command._actions:
            if action.help != "==SUPPRESS==":
                words |= {option for option in action.option_strings if option not in {"-h", "--help"}}
    assert missing(words, text("docs/operations.md")) == set()


def test_every_command_is_completed_by_the_shell() -> None:
    completed = re.search(r"commands='([^']+)'", text("docs/completion.bash"))
    assert completed is not None
    assert set(completed[1].split()) == {name for name, _ in commands()}


def test_every_option_of_a_command_is_completed_by_the_shell() -> None:
    completed = dict(re.findall(r"\[([a-z-]+)\]='([^']*)'", text("docs/completion.bash")))
    for name, command in commands():
        options = {
            option
            for action in command._actions
            if action.help != "==SUPPRESS=="
            for option in action.option_strings
            if option not in {"-h", "--help"}
        }
        assert set(completed.get(name, "").split()) == options, name


def test_every_key_of_a_manifest_is_in_the_tutorial() -> None:
    assert missing(set(catalog.KEYS), text("docs/tutorial.md")) == set()


def test_every_key_of_the_configuration_is_in_the_operations_guide() -> None:
    words = {field.name for field in fields(config.Config) if field.name != "policy"}
    words |= {field.name for field in fields(config.DriverConfig)} | set(config.POLICY_KEYS)
    assert missing(words, text("docs/operations.md")) == set()


@pytest.mark.parametrize("key", [field.name for field in fields(Policy)])
def test_the_default_of_a_policy_is_the_documented_one(key: str) -> None:
    row = re.search(rf"^\| `{key}` \| ([^|]+) \|", text("docs/operations.md"), re.MULTILINE)
    assert row is not None, f"{key} has no row in the table of keys"
    assert float(row[1]) == float(getattr(Policy(), key))


@pytest.mark.parametrize("verb", VERB_LIMITS_S)
def test_the_limit_of_a_verb_is_the_documented_one(verb: str) -> None:
    row = re.search(rf"^\| `{verb}` \|[^|]+\| (\d+) s \|", text("docs/tutorial.md"), re.MULTILINE)
    assert row is not None, f"{verb} has no row in the table of verbs"
    assert float(row[1]) == VERB_LIMITS_S[verb]


@pytest.mark.parametrize(
    "row",
    [
        f"| one message | {limits.FRAME_BYTES_MAX >> 20} MiB, {limits.DEPTH_MAX} levels deep, ",
        f"levels deep, {limits.ITEMS_MAX:,} entries in one list or map, {limits.VALUES_MAX:,} values in all |",
        f"| calls in flight at one worker | {limits.IN_FLIGHT_MAX}, and {limits.IN_FLIGHT_PER_PEER_MAX} from one caller; ",
        f"| the longest deadline of a call | {limits.CALL_DEADLINE_MAX_S / 3600:.0f} hour; ",
        f"the default of `call` is {limits.CALL_DEADLINE_DEFAULT_S:.0f} s |",
        f"| drivers of one host | {limits.DRIVERS_MAX} |",
        f"| rows of one store | {ROWS_MAX:,} |",
        f"| recorded answers of one driver | the latest {CALLS_KEPT:,} |",
        f"| events kept for late comers | {EVENTS_KEPT:,} |",
        f"| a manifest, a configuration | {catalog.MANIFEST_BYTES_MAX >> 10} KiB, {config.CONFIG_BYTES_MAX >> 20} MiB |",
        f"bounded to two files of {JOURNAL_BYTES_MAX >> 20} MiB",
    ],
)
def test_every_limit_is_the_documented_one(row: str) -> None:
    assert row in text("docs/operations.md")


def test_every_error_class_is_in_the_list_of_errors() -> None:
    assert missing(set(error_classes()) | set(KINDS), text("docs/errors.md")) == set()


def test_every_driver_of_ours_has_a_readme_and_is_in_the_readme() -> None:
    for manifest in built_in().values():
        assert (ROOT / manifest.folder / "README.md").exists(), manifest.name
    assert missing(set(built_in()), text("README.md")) == set()


def test_every_field_of_status_is_explained() -> None:
    source = text("host/shell/status.py")
    keys = set(re.findall(r'"([a-z_]+)":', source))
    assert len(keys) > 10
    assert missing(keys, text("docs/operations.md")) == set()


def test_every_decision_has_a_number_of_its_own_and_three_parts() -> None:
    paths = sorted((ROOT / "docs/decisions").glob("*.md"))
    numbers = [path.name[:3] for path in paths]
    assert len(set(numbers)) == len(numbers)
    for path in paths:
        heads = re.findall(r"^(?:## |\*\*)(Context|Choice|What we gave up)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert heads == ["Context", "Choice", "What we gave up"], path.name


def test_links_between_documents_lead_somewhere() -> None:
    dead = [
        f"{path.relative_to(ROOT)} -> {target}"
        for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "workers").rglob("*.md"))
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert dead == []


def test_a_missing_word_is_found() -> None:
    assert missing({"up", "down"}, "use `tierhost up`, not `shutdown`") == {"down"}
