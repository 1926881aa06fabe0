"""Sources on servers: hosts, and as whom one asks them."""

from __future__ import annotations

import pytest

from tierhost.workers.runtime.definitions import BadDefinition, Element, parse
from tierhost.workers.storage.source_xml import Auth, SourceHost, checked_text, read_auth, read_hosts

UUID = "0d4b2f9e-52a7-4a53-8a10-6a8f0c6d7e01"


def source(inside: str) -> Element:
    return parse(f"<source>{inside}</source>", "source")


def test_hosts_are_read_in_order() -> None:
    found = read_hosts(source("<host name='mon1'/><host name='fd00::1' port='3300'/>"))
    assert found == (SourceHost("mon1"), SourceHost("fd00::1", 3300))


@pytest.mark.parametrize("name", ["", "a,b", "a b", "a;b", "a@b", "x" * 256, "a/b"])
def test_what_is_no_host_is_refused(name: str) -> None:
    with pytest.raises(BadDefinition):
        read_hosts(source(f"<host name='{name}'/>"))


def test_there_are_neither_too_few_nor_too_many_hosts() -> None:
    with pytest.raises(BadDefinition, match="0 <host>"):
        read_hosts(source(""))
    assert read_hosts(source(""), least=0) == ()
    with pytest.raises(BadDefinition, match="65 <host>"):
        read_hosts(source("<host name='h'/>" * 65))


def test_a_secret_is_named_by_uuid_or_by_usage() -> None:
    found = read_auth(source(f"<auth type='ceph' username='u'><secret type='ceph' uuid='{UUID.upper()}'/></auth>"), "ceph")
    assert found == Auth("ceph", "u", secret_uuid=UUID)
    assert found.query == {"uuid": UUID}
    found = read_auth(source("<auth type='chap' username='u'><secret usage='s'/></auth>"), "chap")
    assert found == Auth("chap", "u", secret_usage="s")
    assert found.query == {"usage_type": "iscsi", "usage_id": "s"}
    assert read_auth(source(""), "ceph") is None


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ("<auth type='chap' username='u'/>", "expected one of ceph"),
        ("<auth type='ceph' username='u'/>", "<secret> is missing"),
        ("<auth type='ceph'><secret usage='s'/></auth>", "'username' is missing"),
        ("<auth type='ceph' username='u'><secret usage='s' uuid='x'/></auth>", "either attribute"),
        ("<auth type='ceph' username='u'><secret type='volume' usage='s'/></auth>", "expected one of ceph"),
        ("<auth type='ceph' username='u'><secret uuid='x'/></auth>", "is not a uuid"),
    ],
)
def test_an_auth_that_makes_no_sense_is_named(auth: str, words: str) -> None:
    with pytest.raises(BadDefinition, match=words):
        read_auth(source(auth), "ceph")


def test_texts_have_no_signs_that_they_may_not_have() -> None:
    here = source("")
    assert checked_text(here, "iqn.x:y", "the target") == "iqn.x:y"
    for wrong in ("", "a\nb", "x" * 256, "a,b"):
        with pytest.raises(BadDefinition, match="the target is"):
            checked_text(here, wrong, "the target", ",")
