"""Pool definitions: what is read, kept, reported and refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierhost.workers.runtime.definitions import BadDefinition, Unsupported
from tierhost.workers.storage import backends
from tierhost.workers.storage.backend import backend_of, known_types
from tierhost.workers.storage.pool_xml import PoolDefinition, describe_pool, parse_pool
from tierhost.workers.storage.source_xml import Source
from tierhost.workers.storage.xml_values import Permissions

UUID = "0d4b2f9e-52a7-4a53-8a10-6a8f0c6d7e01"


def read(text: str) -> PoolDefinition:
    return parse_pool(text, backend_of, lambda: UUID)


def pool(inside: str, kind: str = "dir", name: str = "images") -> str:
    return f"<pool type='{kind}'><name>{name}</name>{inside}</pool>"


TARGET = "<target><path>/srv/images</path></target>"
FS = "<source><device path='/srv/vault.img'/><format type='ext4'/></source>"


def test_a_directory_pool_is_read() -> None:
    found = read(pool(TARGET))
    assert (found.name, found.uuid, found.type, found.target) == ("images", UUID, "dir", "/srv/images")
    assert found.unread == ()


def test_a_file_system_pool_is_read() -> None:
    assert read(pool(FS + TARGET, "fs")).source == Source("/srv/vault.img", "ext4")


def test_a_format_that_is_not_named_is_auto() -> None:
    assert read(pool("<source><device path='/dev/sdb1'/></source>" + TARGET, "fs")).source.format == "auto"


def test_permissions_are_read_and_minus_one_means_nobody_in_particular() -> None:
    inside = "<target><path>/p</path><permissions><mode>0750</mode><owner>107</owner><group>-1</group></permissions></target>"
    assert read(pool(inside)).permissions == Permissions(0o750, 107, None)


def test_sizes_that_libvirt_wrote_are_read_and_not_kept() -> None:
    text = describe_pool(read(pool(TARGET)), {"capacity": 5, "allocation": 3, "available": 2})
    assert '<available unit="bytes">2</available>' in text
    again = read(text)
    assert again.unread == ()
    assert "capacity" not in again.xml


def test_unknown_elements_are_kept_and_reported() -> None:
    found = read(pool(TARGET + "<refresh><volume allocation='default'/></refresh>"))
    assert found.unread == ("/pool/refresh (line 1)",)
    assert "<refresh>" in describe_pool(found, {})


@pytest.mark.parametrize("inside", ["<auth type='ceph' username='u'><secret uuid='x'/></auth>", "<adapter name='x'/>"])
def test_what_touches_safety_is_refused(inside: str) -> None:
    with pytest.raises(Unsupported, match="not be safe"):
        read(pool(f"<source><device path='/d'/>{inside}</source>{TARGET}", "fs"))
    with pytest.raises(Unsupported, match="not be safe"):
        read(pool(f"<source>{inside}</source>{TARGET}"))


def test_a_pool_type_without_a_back_end_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match=r"sheepdog.*no back end here yet.*dir, .*fs"):
        read(pool(TARGET, "sheepdog"))
    with pytest.raises(Unsupported, match=r"'../x' is no pool type"):
        read(pool(TARGET, "../x"))


def test_pool_types_are_the_files_of_the_folder() -> None:
    folder = Path(backends.__file__).parent
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert set(known_types()) == {name.replace("_", "-") for name in names} >= {"dir", "fs"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<pool type='dir'><target><path>/x</path></target></pool>", "<name> is missing"),
        ("<pool><name>x</name></pool>", "attribute 'type' is missing"),
        ("<domain/>", "expected <pool>"),
        ("<!DOCTYPE pool [<!ENTITY a 'b'>]><pool type='dir'/>", "document type"),
        ("<pool type='dir'", "not well-formed"),
        (pool(""), "<target> is missing"),
        (pool("<target/>"), "<path> is missing"),
        (pool("<target><path>srv</path></target>"), "not absolute"),
        (pool("<target><path>/srv/../etc</path></target>"), r"'\.\.'"),
        (pool(f"<uuid>nonsense</uuid>{TARGET}"), "not a uuid"),
        (pool(TARGET, name="a/b"), "has '/'"),
        (pool(TARGET, name=""), "is empty"),
        (pool(TARGET, name="n" * 256), "too long"),
        (pool(TARGET + TARGET), "only once"),
        (pool("<target><path>/p</path><permissions><mode>0999</mode></permissions></target>"), "octal"),
        (pool("<target><path>/p</path><permissions><mode>4755</mode></permissions></target>"), "0 to 0777"),
        (pool("<target><path>/p</path><permissions><owner>x</owner></permissions></target>"), "whole number"),
        (pool(TARGET, "fs"), "<source> is missing"),
        (pool("<source/>" + TARGET, "fs"), "<device> is missing"),
        (pool("<source><device path='rel'/></source>" + TARGET, "fs"), "not absolute"),
        (pool("<source><device path='/d'/><format type='fat'/></source>" + TARGET, "fs"), "'type' is 'fat'"),
    ],
)
def test_bad_definitions_say_what_is_wrong_and_where(text: str, words: str) -> None:
    with pytest.raises(BadDefinition, match=words):
        read(text)


@pytest.mark.parametrize(("written", "read_as"), [("/srv//images/", "/srv/images"), ("//srv/images", "/srv/images"), ("/", "/")])
def test_a_path_has_one_spelling(written: str, read_as: str) -> None:
    assert read(pool(f"<target><path>{written}</path></target>")).target == read_as


def test_deep_xml_is_refused() -> None:
    with pytest.raises(BadDefinition, match="nested deeper"):
        read(pool(TARGET + "<a>" * 100 + "</a>" * 100))
