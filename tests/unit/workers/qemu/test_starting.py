"""What a QEMU that cannot start is answered with."""

from __future__ import annotations

import pytest

from tierhost.workers.qemu.starting import _hint


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        (
            "qemu: Invalid password, cannot unlock any keyslot",
            "the secret's value does not open the disk: set the right passphrase",
        ),
        ('qemu: Failed to get "write" lock\nIs another process using the image?', "another process uses the image"),
        ("qemu: Could not open block device: No such file or directory", ""),
        ("", ""),
    ],
)
def test_what_qemu_said_leads_to_the_next_step(said: str, hint: str) -> None:
    assert _hint(said) == hint
