"""Volume definitions: what is read, kept, reported and refused."""

from __future__ import annotations

import pytest

from tierhost.workers.runtime.definitions import BadDefinition, Unsupported
from tierhost.workers.storage.volume_names import is_volume_name
from tierhost.workers.storage.volume_xml import Backing, Encryption, VolumeDefinition, parse_volume

SECRET = "<secret type='passphrase' usage='vault/safe'/>"


def volume(inside: str = "<capacity>1</capacity>", name: str = "web") -> VolumeDefinition:
    return parse_volume(f"<volume><name>{name}</name>{inside}</volume>")


def target(inside: str) -> VolumeDefinition:
    return volume(f"<capacity>1</capacity><target>{inside}</target>")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("<capacity>7</capacity>", 7),
        ("<capacity unit='bytes'>7</capacity>", 7),
        ("<capacity unit='KiB'>2</capacity>", 2048),
        ("<capacity unit='K'>2</capacity>", 2048),
        ("<capacity unit='KB'>2</capacity>", 2000),
        ("<capacity unit='G'>1</capacity>", 1 << 30),
        ("<capacity unit='TB'>1</capacity>", 10**12),
    ],
)
def test_sizes_have_units(text: str, count: int) -> None:
    assert volume(text).capacity == count


def test_a_volume_without_a_target_is_raw() -> None:
    found = volume()
    assert (found.format, found.encryption, found.backing, found.allocation) == ("raw", None, None, None)


def test_what_libvirt_writes_is_read_again_without_complaint() -> None:
    text = """<volume type='file'><name>web</name><key>/p/web</key><capacity unit='bytes'>1</capacity>
      <allocation unit='bytes'>0</allocation><physical unit='bytes'>1</physical><target><path>/p/web</path><format type='raw'/>
      <permissions><mode>0600</mode><owner>0</owner><group>0</group></permissions><timestamps><atime>1.2</atime></timestamps>
      </target></volume>"""
    assert parse_volume(text).unread == ()


@pytest.mark.parametrize("kind", ["raw", "luks"])
def test_both_spellings_of_an_encrypted_volume_mean_raw_in_luks(kind: str) -> None:
    found = target(f"<format type='{kind}'/><encryption format='luks'>{SECRET}</encryption>")
    assert found.format == "raw"
    assert found.encryption == Encryption(secret_usage="vault/safe")


def test_the_cipher_is_read_and_xts_takes_two_keys() -> None:
    found = target(f"<encryption format='luks'>{SECRET}<cipher name='aes' size='128' mode='xts' hash='sha512'/></encryption>")
    assert found.encryption is not None
    assert (found.encryption.cipher, found.encryption.key_bits, found.encryption.hash) == ("aes-xts-plain64", 256, "sha512")


def test_qcow2_has_options_and_a_backing_image() -> None:
    found = volume(
        "<capacity>1</capacity><target><format type='qcow2'/><compat>1.1</compat><clusterSize unit='KiB'>64</clusterSize>"
        "<features><lazy_refcounts/></features></target><backingStore><path>/p/base</path><format type='raw'/></backingStore>"
    )
    assert found.qcow2_options == ("compat=1.1", "cluster_size=65536", "lazy_refcounts=on")
    assert found.backing == Backing("/p/base", "raw")
    assert found.unread == ()


def test_unknown_elements_are_kept_and_reported() -> None:
    found = volume("<capacity>1</capacity><note a='b'><deep/></note><target><nocow/></target>")
    assert found.unread == ("/volume/note (line 1)", "/volume/target/nocow (line 1)")
    assert found.extras == ('<note a="b"><deep/></note>',)


@pytest.mark.parametrize(
    "inside",
    [
        "<encryption format='qcow'/>",
        "<encryption/>",
        f"<encryption format='luks'>{SECRET}<engine x='1'/></encryption>",
        f"<encryption format='luks' engine='librbd'>{SECRET}</encryption>",
        f"<format type='qcow2'/><encryption format='luks'>{SECRET}</encryption>",
    ],
)
def test_encryption_that_we_cannot_do_is_refused(inside: str) -> None:
    with pytest.raises(Unsupported):
        target(inside)


def test_encryption_outside_of_the_target_is_refused() -> None:
    with pytest.raises(Unsupported, match="not be safe"):
        volume("<capacity>1</capacity><encryption format='luks'/>")


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("<capacity unit='XB'>1</capacity>", "unit is 'XB'"),
        ("<capacity>-1</capacity>", "expected 0 to"),
        ("<capacity>one</capacity>", "expected a whole number"),
        ("<capacity unit='E'>1048576</capacity>", "in bytes is"),
        ("<capacity>1</capacity><target><format type='vmdk'/></target>", "'vmdk'"),
        ("<capacity>1</capacity><target><format type='luks'/></target>", "needs <encryption"),
        ("<capacity>1</capacity><target><encryption format='luks'/></target>", "<secret> is missing"),
        ("<target><encryption format='luks'><secret type='passphrase'/></encryption></target>", "either attribute"),
        ("<target><encryption format='luks'><secret type='passphrase' uuid='x'/></encryption></target>", "not a uuid"),
        ("<target><encryption format='luks'><secret type='volume' usage='x'/></encryption></target>", "'volume'"),
        (f"<target><encryption format='luks'>{SECRET}<cipher name='aes' size='100'/></encryption></target>", "100"),
        (f"<target><encryption format='luks'>{SECRET}<cipher name='aes' size='130'/></encryption></target>", "130"),
        (f"<target><encryption format='luks'>{SECRET}<cipher name='xor' size='128'/></encryption></target>", "'xor'"),
        ("<target><format type='qcow2'/><compat>9</compat></target>", "compat is '9'"),
        ("<target><format type='qcow2'/><clusterSize>1</clusterSize></target>", "clusterSize"),
        ("<target><format type='qcow2'/></target><backingStore><path>/p</path></backingStore>", "never guessed"),
        (
            "<target><format type='qcow2'/></target><backingStore><path>p</path><format type='raw'/></backingStore>",
            "not absolute",
        ),
        ("<backingStore><path>/p</path><format type='raw'/></backingStore>", "only a qcow2 volume"),
    ],
)
def test_bad_definitions_say_what_is_wrong(inside: str, words: str) -> None:
    with pytest.raises(BadDefinition, match=words):
        volume(inside)


def test_an_empty_backing_store_is_none() -> None:
    assert volume("<capacity>1</capacity><backingStore/>").backing is None


@pytest.mark.parametrize("name", ["", ".hidden", "..", "a/b", "a\nb", "x" * 256, "ä" * 128, 7, None, b"x"])
def test_names_that_no_volume_may_have(name: object) -> None:
    assert not is_volume_name(name)


@pytest.mark.parametrize("name", [".tierhost-1.part", "../etc/passwd"])
def test_a_definition_with_such_a_name_is_refused(name: str) -> None:
    with pytest.raises(BadDefinition, match="the name"):
        volume(name=name)
