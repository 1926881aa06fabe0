"""A second host on the same folder, as a careless operator or a wrong unit file starts it: it must be refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import PromiseBroken
from tierhost.drills.faults.bodies import body_of, check_known, number
from tierhost.drills.faults.programs import HOST_MODULE, plain_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.drills.targets import Target

REFUSED_WITHIN_S: Final = 10.0
TOLD_CHARS_MAX: Final = 200


class SecondHost:
    """`tierhost up` once more, with the words of the first. `within_s`: so soon it must have ended (default 10)."""

    def __init__(self, target: Target, whom: str, options: Mapping[str, Any]) -> None:
        check_known("second-host", options, {"within_s"})
        self._within_s = number("second-host", options, "within_s", REFUSED_WITHIN_S, 0.1, 600)
        self._target = target
        self._whom = whom

    def strike(self) -> str:
        """Start it, and wait until it has ended. One that goes on is left to the judges of what is there."""
        host = body_of(self._target, self._whom)
        argv = [os.fsdecode(word) for word in Path(f"/proc/{host.pid}/cmdline").read_bytes().split(b"\0")[:-1]]
        process = subprocess.Popen(
            [sys.executable, "-m", HOST_MODULE, *plain_words(argv)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            told, _ = process.communicate(timeout=self._within_s)
        except subprocess.TimeoutExpired:
            raise PromiseBroken(f"pid {process.pid} runs as a second host", subject=self._whom) from None
        if not process.returncode:
            raise PromiseBroken(f"the second host, pid {process.pid}, ended as if all were well", subject=self._whom)
        if not host.is_alive:
            raise PromiseBroken("the first host did not outlive the second", subject=self._whom)
        text = told.decode(errors="replace").strip()
        return f"pid {process.pid}, the second host, ended with exit code {process.returncode}: {text[-TOLD_CHARS_MAX:]}"

    def heal(self) -> None:
        """Nothing is left of one that was refused; the other kind is ended with the target."""


KINDS: Final = {"second-host": SecondHost}
