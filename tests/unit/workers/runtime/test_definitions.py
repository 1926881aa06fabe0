"""Hostile and merely wrong XML ends in an error that names the place; what nobody read is reported."""

from __future__ import annotations

import contextlib
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tierhost.ipc.errors import Code
from tierhost.workers.runtime import definitions
from tierhost.workers.runtime.definitions import BadDefinition, Unsupported, parse, validate

LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))

HOSTILE = {
    "malformed": "<secret><usage></secret>",
    "empty": "",
    "no element": "just text",
    "cut off": "<secret ephemeral='no'><usa",
    "two elements": "<secret/><secret/>",
    "null character": "<secret>\x00</secret>",
    "lone surrogate": "<secret>\ud800</secret>",
    "undefined entity": "<secret>&nobody;</secret>",
    "document type": "<!DOCTYPE secret><secret/>",
    "outer document type": '<!DOCTYPE secret SYSTEM "http://127.0.0.1:1/x.dtd"><secret/>',
    "parameter entity": '<!DOCTYPE secret [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><secret/>',
    "entity of a file": '<!DOCTYPE secret [<!ENTITY x SYSTEM "file:///etc/passwd">]><secret>&x;</secret>',
    "a billion laughs": f'<!DOCTYPE secret [<!ENTITY a0 "ha">{LAUGHS}]><secret>&a9;</secret>',
    "quadratic": f'<!DOCTYPE secret [<!ENTITY a "{"x" * 50_000}">]><secret>{"&a;" * 50_000}</secret>',
    "deep": "<secret>" + "<a>" * 100 + "</a>" * 100 + "</secret>",
    "deeper than the parser goes": "<secret>" + "<a>" * 5000 + "</a>" * 5000 + "</secret>",
    "wide": "<secret>" + "<a/>" * (definitions.ELEMENTS_MAX + 1) + "</secret>",
    "huge": "<secret>" + " " * definitions.DEFINITION_BYTES_MAX + "</secret>",
    "many attributes": "<secret "
    + " ".join(f"a{n}='1'" for n in range(30_000))
    + ">"
    + "<a/>" * definitions.ELEMENTS_MAX
    + "</secret>",
    "another document": "<domain/>",
    "another namespace": "<secret xmlns='http://example.org/'/>",
    "include": "<a xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='file:///etc/passwd' parse='text'/></a>",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_a_typed_error_about_this_kind_of_object(text: str) -> None:
    with pytest.raises(BadDefinition) as bad:
        parse(text, "secret")
    assert bad.value.code is Code.XML_ERROR
    assert bad.value.subject == "<secret>"
    assert len(str(bad.value)) < 600


@pytest.mark.parametrize("value", [None, b"<secret/>", 7, ["<secret/>"]])
def test_what_is_not_text_is_refused(value: object) -> None:
    with pytest.raises(BadDefinition, match="not text"):
        parse(value, "secret")  # type: ignore[arg-type]  # what a client may send


def test_no_hostile_text_costs_more_than_some_memory() -> None:
    tracemalloc.start()
    for text in HOSTILE.values():
        with pytest.raises(BadDefinition):
            parse(text, "secret")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20


@given(st.text(alphabet="<>/&;'\"= secretusagetypvolmeiid!-[]?x\n\x01é", max_size=200))
def test_no_text_at_all_raises_anything_else(text: str) -> None:
    with contextlib.suppress(BadDefinition):
        parse(text, "secret")


def test_the_declared_encoding_is_not_believed() -> None:
    # the text was decoded by whoever read the file; it is characters now
    root = parse("<?xml version='1.0' encoding='ISO-8859-1'?><secret><description>é</description></secret>", "secret")
    assert root.child_text("description") == "é"


def test_errors_name_the_element_and_the_line() -> None:
    root = parse("<secret>\n <usage type='tape'/>\n</secret>", "secret")
    usage = root.need_child("usage")
    with pytest.raises(BadDefinition) as bad:
        usage.one_of("type", ("volume", "ceph"))
    assert bad.value.subject == "/secret/usage"
    assert "line 2" in bad.value.text
    assert "'tape'" in bad.value.text
    with pytest.raises(BadDefinition, match=r"<uuid> is missing \(line 1\)"):
        root.need_child("uuid")
    with pytest.raises(BadDefinition, match="attribute 'name' is missing"):
        usage.need("name")


def test_an_element_that_may_stand_once_may_not_stand_twice() -> None:
    root = parse("<secret>\n<uuid>a</uuid>\n<uuid>b</uuid></secret>", "secret")
    with pytest.raises(BadDefinition, match=r"<uuid> may stand only once \(line 3\)"):
        root.child("uuid")


@pytest.mark.parametrize("text", ["", "x", "1.5", "1_0", "٣", "+1", "--1", " 1", "0x10", "9" * 5000])
def test_only_plain_decimal_numbers_are_numbers(text: str) -> None:
    root = parse("<pool/>", "pool")
    with pytest.raises(BadDefinition, match="expected a whole number"):
        root.whole(text, "the capacity", 0, 10)


def test_numbers_have_bounds() -> None:
    root = parse("<pool/>", "pool")
    assert root.whole("-3", "the offset", -5, 5) == -3
    with pytest.raises(BadDefinition, match="the offset is 6, expected -5 to 5"):
        root.whole("6", "the offset", -5, 5)


def test_flags_are_yes_or_no() -> None:
    root = parse("<secret a='yes' b='off' c='1'/>", "secret")
    assert root.flag("a", default=False)
    assert not root.flag("b", default=True)
    assert root.flag("absent", default=True)
    with pytest.raises(BadDefinition, match="attribute 'c'"):
        root.flag("c", default=False)


def test_what_nobody_asked_for_is_listed_with_its_line() -> None:
    root = parse("<secret ephemeral='no' color='red'>\n<uuid>a</uuid>\n<tape speed='9'>\n<reel/></tape></secret>", "secret")
    root.flag("ephemeral", default=False)
    root.child_text("uuid")
    assert root.unread() == ["/secret/@color (line 1)", "/secret/tape (line 3)"]
    next(root.children("tape"))
    assert root.unread() == ["/secret/@color (line 1)", "/secret/tape/@speed (line 3)", "/secret/tape/reel (line 4)"]


def test_what_is_kept_on_purpose_is_not_listed() -> None:
    root = parse("<domain><metadata a='1'><x><y b='2'/></x></metadata></domain>", "domain")
    root.need_child("metadata").keep()
    assert root.unread() == []


def test_what_would_be_unsafe_to_ignore_is_refused_unless_it_was_read() -> None:
    root = parse("<source><auth username='x'/></source>", "source")
    with pytest.raises(Unsupported) as refused:
        root.refuse("auth", "encryption")
    assert refused.value.code is Code.CONFIG_UNSUPPORTED
    assert "<auth>" in refused.value.text
    root.child("auth")
    root.refuse("auth", "encryption")


def test_comments_and_instructions_are_neither_kept_nor_in_the_way() -> None:
    root = parse("<secret><!-- hello --><?run me?><uuid>a<!-- b -->c</uuid></secret>", "secret")
    assert root.child_text("uuid") == "ac"
    assert root.unread() == []
    assert "hello" not in root.xml()


def test_a_child_s_text_can_be_set_or_made() -> None:
    root = parse("<secret><usage/></secret>", "secret")
    root.set_child_text("uuid", "a")
    root.set_child_text("uuid", "b")
    assert parse(root.xml(), "secret").child_text("uuid") == "b"
    assert [child.tag for child in root.children()] == ["uuid", "usage"]


# Schemas. The real ones are libvirt's and may be absent; this one is ours and small.

RULES = """<grammar xmlns='http://relaxng.org/ns/structure/1.0'><start>
<element name='secret'>
<optional><attribute name='ephemeral'><choice><value>yes</value><value>no</value></choice></attribute></optional>
<optional><element name='uuid'><text/></element></optional>
</element></start></grammar>"""


@pytest.fixture
def schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIERHOST_SCHEMA_DIR", str(tmp_path))
    (tmp_path / "secret.rng").write_text(RULES)
    return tmp_path


def test_a_definition_that_fits_the_schema_passes(schemas: Path) -> None:
    validate(parse("<secret ephemeral='no'><uuid>a</uuid></secret>", "secret"), "secret")


def test_a_definition_that_does_not_fit_the_schema_is_refused_with_the_line(schemas: Path) -> None:
    with pytest.raises(BadDefinition) as bad:
        validate(parse("<secret>\n<tape/></secret>", "secret"), "secret")
    assert bad.value.code is Code.XML_INVALID_SCHEMA
    assert "line 2" in bad.value.text


def test_a_schema_that_is_not_there_is_named(schemas: Path) -> None:
    with pytest.raises(Unsupported) as absent:
        validate(parse("<network/>", "network"), "network")
    assert absent.value.code is Code.ARGUMENT_UNSUPPORTED
    assert absent.value.subject == str(schemas / "network.rng")


@pytest.mark.skipif(not Path(definitions.SCHEMA_DIR, "secret.rng").exists(), reason="libvirt's schemas are not installed")
def test_libvirt_s_own_schema_is_read_where_it_is_installed() -> None:
    validate(
        parse("<secret ephemeral='no' private='yes'><usage type='volume'><volume>/x</volume></usage></secret>", "secret"),
        "secret",
    )
    with pytest.raises(BadDefinition):
        validate(parse("<secret><usage type='tape'/></secret>", "secret"), "secret")


def test_the_parser_never_leaves_the_machine_nor_reads_a_file() -> None:
    # what would leak is refused before it is looked at; this is the parser's own word for it
    with pytest.raises(BadDefinition) as bad:
        parse(HOSTILE["entity of a file"], "secret")
    assert "root:" not in str(bad.value)
    assert etree.LIBXML_VERSION >= (2, 9)
