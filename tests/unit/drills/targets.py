"""Targets for unit tests: one where nobody is, and one that answers from a table and has processes of the test's own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tierhost.drills.history import Journaled, Look
from tierhost.ipc.errors import PeerAbsent

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.drills.plan import Ask


class NobodyThere:
    """Nobody plays any role, and nobody answers."""

    name = "nobody"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started = 0

    def start(self) -> None:
        self.started += 1

    def ask(self, ask: Ask) -> Any:
        raise PeerAbsent("nobody is here")

    def pids(self, role: str) -> list[int]:
        return []

    def look(self, label: str) -> Look:
        return Look(time.monotonic(), label)

    def journal(self) -> list[Journaled]:
        return []

    def close(self) -> None:
        """There is nothing to end."""


class Answering(NobodyThere):
    """Answers from `answers`, method -> value or error to raise; `roles` are processes of the test."""

    name = "answering"

    def __init__(self, folder: Path, answers: dict[str, Any]) -> None:
        super().__init__(folder)
        self.answers = answers
        self.roles: dict[str, list[int]] = {}

    def ask(self, ask: Ask) -> Any:
        answer = self.answers[ask.method]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pids(self, role: str) -> list[int]:
        return self.roles.get(role, [])
