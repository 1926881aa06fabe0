"""Takes documents apart: files they tell the reader to write, and commands they tell him to run, with what those print."""

from __future__ import annotations

import re
from dataclasses import dataclass

FENCE = re.compile(r"(?:`(?P<path>[^`\n]+)`:\n\n)?^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
ANYTHING = "..."


@dataclass(frozen=True)
class File:
    """The reader writes this file."""

    path: str
    text: str


@dataclass(frozen=True)
class Command:
    """The reader runs this and sees that; "..." stands for anything, on a line or as a line of its own."""

    line: str
    expected: str


def steps(document: str) -> list[File | Command]:
    """List what a reader does, in order. A ```console block has commands after "$ "; a block under "`path`:" is a file."""
    found: list[File | Command] = []
    for block in FENCE.finditer(document):
        if block["path"]:
            found.append(File(block["path"], block["body"]))
        elif block["language"] == "console":
            found += commands(block["body"])
    return found


def commands(body: str) -> list[Command]:
    """Split a ```console block. A command that ends in a backslash goes on in the next line."""
    found: list[Command] = []
    lines = iter(body.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command = command[:-1].rstrip() + " " + next(lines).strip()
            found.append(Command(command, ""))
        else:
            found[-1] = Command(found[-1].line, found[-1].expected + line + "\n")
    return found


def matches(expected: str, printed: str) -> bool:
    """Whether a command printed what the document says. Columns may be wider or narrower than shown."""
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == ANYTHING:
            pattern += r"(?:.*\n)*?"
            continue
        words = r"\s+".join(re.escape(word).replace(re.escape(ANYTHING), ".*?") for word in line.split())
        pattern += words + r"[^\S\n]*\n"
    printed = printed if printed.endswith("\n") or not printed else printed + "\n"
    return re.fullmatch(pattern, re.sub(r"^[^\S\n]+", "", printed, flags=re.MULTILINE)) is not None
