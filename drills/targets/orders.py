"""A program beside us that takes orders: one JSON line each on its stdin, one JSON line back, each with a deadline."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.targets import NoAnswer
from tierhost.ipc.errors import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Sequence

CHUNK_BYTES: Final = 65536
ANSWER_BYTES_MAX: Final = 16 << 20
END_LIMIT_S: Final = 5.0


class Orders:
    """Starts the program with the first order, and again after one that was not answered in time: it may hang for good."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = list(argv)
        self._process: subprocess.Popen[bytes] | None = None
        self._read = b""

    def ask(self, order: str, /, *, deadline_s: float, **arguments: Any) -> Any:
        """Give an order and wait for its answer. Raises NoAnswer, or DriverError when it was refused."""
        self.give(order, **arguments)
        return self.answer(deadline_s=deadline_s)

    def give(self, order: str, /, **arguments: Any) -> None:
        """Give an order without waiting; `answer` returns what comes of it."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([order, arguments]).encode() + b"\n")
        self._process.stdin.flush()

    def answer(self, *, deadline_s: float) -> Any:
        """Wait for the answer to the order given last. Raises NoAnswer, or DriverError when it was refused."""
        try:
            said = json.loads(self._line(time.monotonic() + deadline_s))
        except NoAnswer:
            self.close()
            raise
        refused = said.get("refused")
        if refused is None:
            return said["answer"]
        if refused["gone"]:
            raise NoAnswer(refused["text"], code=Code.NO_CONNECT, hint="whoever was asked has gone; what became of it is unknown")
        known = refused["code"] in set(Code)
        raise DriverError(refused["text"], code=Code(refused["code"]) if known else Code.OPERATION_FAILED)

    def _line(self, end_s: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._read:
            if len(self._read) > ANSWER_BYTES_MAX:
                raise NoAnswer(f"an answer of more than {ANSWER_BYTES_MAX} bytes", subject=self._argv[0])
            if not select.select([descriptor], [], [], max(0.0, end_s - time.monotonic()))[0]:
                raise NoAnswer("no answer by its deadline", code=Code.OPERATION_TIMEOUT)
            chunk = os.read(descriptor, CHUNK_BYTES)
            if not chunk:
                raise NoAnswer("it ended without an answer", subject=" ".join(self._argv[:2]), hint="see what it said above")
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        return line

    def close(self) -> None:
        """End the program. May be called again; the next order starts another one."""
        process, self._process = self._process, None
        self._read = b""
        if process is None:
            return
        process.kill()
        process.wait(END_LIMIT_S)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
