"""The judge of documents is judged first."""

from __future__ import annotations

import pytest

from tests.docs.blocks import Command, File, commands, matches, steps

DOCUMENT = """
Write this to `a/b.toml`:

```toml
x = 1
```

Then:

```console
$ echo one \\
    two
one two
$ true
```

```python
not_run()
```
"""


def test_files_and_commands_are_found_in_order() -> None:
    assert steps(DOCUMENT) == [File("a/b.toml", "x = 1\n"), Command("echo one two", "one two\n"), Command("true", "")]


def test_a_block_of_console_needs_a_command_first() -> None:
    with pytest.raises(IndexError):
        commands("output of nothing\n")


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("one two\n", "one   two\n"),
        ("pid ...\n", "pid 4711\n"),
        ("a\n...\nz\n", "a\nb\nc\nz\n"),
        ("a\n...\nz\n", "a\nz\n"),
        ("", ""),
        ("--  --\n", "------  --\n".replace("------", "--")),
        ("raw bytes\n", "raw bytes"),
        ("a (b.c)\n", "  a (b.c)  \n"),
    ],
)
def test_what_fits_matches(expected: str, printed: str) -> None:
    assert matches(expected, printed)


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("one\n", "two\n"),
        ("one\n", ""),
        ("", "surprise\n"),
        ("one\n", "one\nmore\n"),
        ("a\n...\nz\n", "a\nb\n"),
        ("pid ...\n", "no\n"),
    ],
)
def test_what_does_not_fit_does_not_match(expected: str, printed: str) -> None:
    assert not matches(expected, printed)
