"""A URI names a root or an address, or says why it does not."""

from __future__ import annotations

import pytest

from tierhost.ipc.errors import Code
from tierhost.ipc.uris import BadUri, Uri, parse_uri


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("tierhost+unix:///srv/site", Uri(root="/srv/site")),
        ("tierhost+unix:///srv/a%20site/", Uri(root="/srv/a site")),
        ("tierhost+tcp://192.0.2.7:16510", Uri(address="tcp://192.0.2.7:16510")),
        ("tierhost+tcp://[2001:db8::7]:16510/", Uri(address="tcp://[2001:db8::7]:16510")),
        ("tierhost+tcp://store.example:1", Uri(address="tcp://store.example:1")),
    ],
)
def test_a_uri_of_either_kind_is_read_and_written_again(text: str, place: Uri) -> None:
    assert parse_uri(text) == place
    assert parse_uri(str(place)) == place


@pytest.mark.parametrize(
    "text",
    [
        *(None, 7, b"tierhost+unix:///srv", "", "x" * 2000, "tierhost+unix:///srv/\n", "qemu:///system", "config:///"),
        *("tierhost+unix://srv/site", "tierhost+unix:///", "tierhost+unix:///srv/../etc", "tierhost+unix:///a%00b"),
        *("tierhost+tcp://", "tierhost+tcp://host", "tierhost+tcp://:80", "tierhost+tcp://host:0", "tierhost+tcp://host:99999"),
        *("tierhost+tcp://host:1/path", "tierhost+tcp://you@host:1", "tierhost+tcp://host:1?key=x", "tierhost+tcp://ho st:1"),
        *("tierhost+tcp://[::1:1", "tierhost+tcp://;rm:1", "tierhost+tcp://*:1"),
    ],
)
def test_anything_else_is_refused_with_the_forms_there_are(text: object) -> None:
    with pytest.raises(BadUri) as caught:
        parse_uri(text)
    assert caught.value.code is Code.INVALID_ARG
    assert caught.value.hint
