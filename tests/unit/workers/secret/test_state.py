"""Definitions, redefinitions and look-ups of secrets follow libvirt."""

from __future__ import annotations

import pytest

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.definitions import BadDefinition
from tierhost.workers.secret import state
from tierhost.workers.secret.state import NoSecret, Secret, Shelf, from_xml

UUID = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"
OTHER = "1b81f5b2-8403-7b23-c8d6-21ccc2f80d6f"


def secret(
    uuid: str = UUID, usage_type: str = "volume", usage_id: str = "/x", *, ephemeral: bool = False, private: bool = False
) -> Secret:
    return Secret(uuid, usage_type, usage_id, ephemeral, private, "", "<secret/>")


@pytest.mark.parametrize(
    ("usage_type", "inner"),
    [
        ("volume", "<volume>/var/lib/x.img</volume>"),
        ("ceph", "<name>client.libvirt</name>"),
        ("iscsi", "<target>iqn.2013-07.com.example:iscsi-pool</target>"),
        ("tls", "<name>TLS_example</name>"),
        ("vtpm", "<name>VTPM_example</name>"),
    ],
)
def test_every_usage_of_libvirt_is_read(usage_type: str, inner: str) -> None:
    text = f"""<secret ephemeral='no' private='yes'>
      <uuid>{UUID}</uuid><description>for tests</description><usage type='{usage_type}'>{inner}</usage></secret>"""
    read, unread = from_xml(text)
    assert (read.uuid, read.usage_type, read.description) == (UUID, usage_type, "for tests")
    assert read.usage_id == inner.partition(">")[2].partition("<")[0]
    assert read.private
    assert not read.ephemeral
    assert unread == []


def test_a_secret_without_usage_or_uuid_gets_a_uuid_that_stays_in_its_xml() -> None:
    read, _ = from_xml("<secret/>")
    assert (read.usage_type, read.usage_id) == ("none", "")
    assert from_xml(read.xml)[0].uuid == read.uuid
    assert from_xml("<secret/>")[0].uuid != read.uuid


def test_what_is_not_understood_is_kept_and_reported() -> None:
    read, unread = from_xml("<secret color='red'>\n<tape/><usage type='volume'><volume>/x</volume><speed/></usage></secret>")
    assert unread == ["/secret/@color (line 1)", "/secret/tape (line 2)", "/secret/usage/speed (line 2)"]
    assert "<tape/>" in read.xml
    assert 'color="red"' in read.xml


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<secret ephemeral='maybe'/>", "'ephemeral' is 'maybe'"),
        ("<secret private=''/>", "'private'"),
        ("<secret><uuid>not-a-uuid</uuid></secret>", "expected a UUID"),
        (f"<secret><uuid>{{{UUID}}}</uuid></secret>", "expected a UUID"),
        (f"<secret><uuid>{UUID}</uuid><uuid>{UUID}</uuid></secret>", "only once"),
        ("<secret><usage/></secret>", "'type'"),
        ("<secret><usage type='tape'/></secret>", "'tape'"),
        ("<secret><usage type='volume'/></secret>", "<volume> is missing"),
        ("<secret><usage type='volume'><volume> </volume></usage></secret>", "<volume> has 0 characters"),
        (f"<secret><usage type='ceph'><name>{'x' * 5000}</name></usage></secret>", "<name> has 5000 characters"),
        ("<secret><usage type='ceph'><volume>/x</volume></usage></secret>", "<name> is missing"),
    ],
)
def test_a_wrong_definition_is_refused_with_the_place(text: str, complaint: str) -> None:
    with pytest.raises(BadDefinition, match=r"line \d") as bad:
        from_xml(text)
    assert complaint in bad.value.text


@pytest.mark.parametrize("flags", [2, -1, "1", None, True])
def test_unknown_flags_are_refused(flags: object) -> None:
    with pytest.raises(DriverError, match="unsupported flags") as refused:
        from_xml("<secret/>", flags)  # type: ignore[arg-type]  # what a client may send
    assert refused.value.code is Code.INVALID_ARG


@pytest.mark.parametrize("written", [UUID, UUID.upper(), UUID.replace("-", "")])
def test_a_uuid_is_the_same_however_it_is_written(written: str) -> None:
    assert Shelf.of({UUID: secret()}, {}, {}).find(written).uuid == UUID
    assert from_xml(f"<secret><uuid>{written}</uuid></secret>")[0].uuid == UUID


@pytest.mark.parametrize("uuid", ["", "x", OTHER, None, 7, ["a"], UUID + "0", "g" * 32])
def test_a_secret_that_is_not_there_is_no_secret(uuid: str) -> None:
    with pytest.raises(NoSecret, match="no secret with matching uuid") as absent:
        Shelf.of({UUID: secret()}, {}, {}).find(uuid)
    assert absent.value.code is Code.NO_SECRET


def test_secrets_are_found_by_usage_but_not_by_none() -> None:
    shelf = Shelf.of({UUID: secret(), OTHER: secret(OTHER, "none", "")}, {}, {})
    assert shelf.find_by_usage("volume", "/x").uuid == UUID
    for usage_type, usage_id in (("ceph", "/x"), ("volume", "/y"), ("none", ""), ([], {})):
        with pytest.raises(NoSecret, match="no secret with matching usage"):
            shelf.find_by_usage(usage_type, usage_id)  # type: ignore[arg-type]  # what a client may send


def test_the_same_secret_may_be_defined_again() -> None:
    shelf = Shelf.of({UUID: secret()}, {}, {})
    assert shelf.admit(secret(private=True)) == secret()
    assert shelf.admit(secret(OTHER, usage_id="/y")) is None


def test_a_redefinition_keeps_its_usage() -> None:
    with pytest.raises(DriverError, match="already defined for use with /x") as refused:
        Shelf.of({UUID: secret()}, {}, {}).admit(secret(usage_id="/y"))
    assert refused.value.code is Code.INTERNAL_ERROR


def test_a_usage_belongs_to_one_secret() -> None:
    with pytest.raises(DriverError, match=f"UUID {UUID} is already defined for use with /x") as refused:
        Shelf.of({UUID: secret()}, {}, {}).admit(secret(OTHER))
    assert refused.value.code is Code.INTERNAL_ERROR


def test_many_secrets_may_have_no_usage() -> None:
    assert Shelf.of({UUID: secret(UUID, "none", "")}, {}, {}).admit(secret(OTHER, "none", "")) is None


def test_a_private_secret_stays_private() -> None:
    with pytest.raises(DriverError, match="cannot change private flag") as refused:
        Shelf.of({UUID: secret(private=True)}, {}, {}).admit(secret())
    assert refused.value.code is Code.OPERATION_DENIED


@pytest.mark.parametrize(
    ("flags", "chosen"), [(0, "abcd"), (1, "bd"), (2, "ac"), (4, "cd"), (8, "ab"), (1 | 4, "d"), (1 | 2 | 8, "ab"), (15, "abcd")]
)
def test_list_flags_choose_as_libvirt_s_do(flags: int, chosen: str) -> None:
    secrets = {
        name: secret(name, "none", "", ephemeral=ephemeral, private=private)
        for name, ephemeral, private in (("a", False, False), ("b", True, False), ("c", False, True), ("d", True, True))
    }
    assert "".join(found.uuid for found in Shelf.of(secrets, {}, {}).select(flags)) == chosen


def test_a_record_reads_back_and_a_strange_one_does_not() -> None:
    assert Secret.from_row(secret().row()) == secret()
    assert Secret.from_row({"uuid": UUID}) is None
    assert Secret.from_row({**secret().row(), "more": 1}) is None


def test_a_shelf_forgets_all_that_belongs_to_a_secret() -> None:
    shelf = Shelf.of({UUID: secret()}, {UUID: b"x"}, {UUID: "broken"})
    assert shelf.without(UUID) == Shelf()
    assert shelf.with_value(UUID, b"y") == Shelf.of({UUID: secret()}, {UUID: b"y"}, {})


@pytest.mark.parametrize("value", [7, None, ["x"], b"x" * (state.VALUE_BYTES_MAX + 1)])
def test_a_value_that_cannot_be_kept_is_refused_without_a_word_of_it(value: object) -> None:
    with pytest.raises(DriverError) as refused:
        state.value_bytes(value, "secret x")
    assert refused.value.code is Code.INVALID_ARG
    assert "xxx" not in str(refused.value)


def test_text_is_a_value_too() -> None:
    assert state.value_bytes("ä", "secret x") == "ä".encode()
    assert state.value_bytes(b"", "secret x") == b""
