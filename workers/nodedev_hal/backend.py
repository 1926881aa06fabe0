"""A conversation with HAL over D-Bus: every word has a deadline, and a bus that dies is noticed at once.

jeepney knows the bytes. Its own connection says hello to a bus without a deadline, and cannot be woken; so the socket is ours.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jeepney import HeaderFields, MatchRule, Message, MessageFlag, MessageType, Parser, message_bus, new_method_call
from jeepney.auth import BEGIN, Authenticator
from jeepney.bus import get_bus
from jeepney.wrappers import DBusAddress

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from tierhost.workers.nodedev_hal.state import Properties

HAL: Final = "org.freedesktop.Hal"
BUS: Final = "org.freedesktop.DBus"
OWNER_CHANGED: Final = "NameOwnerChanged"
DIRECTORY_PATH: Final = "/org/freedesktop/Hal/Manager"
DIRECTORY: Final = f"{HAL}.Manager"
DEVICE: Final = f"{HAL}.Device"
ANSWER_LIMIT_S: Final = 5.0
"""How long a bus or HAL may take for one answer. It takes a millisecond, unless it hangs."""

DEVICES_MAX: Final = 16_384
SIGNALS_MAX: Final = 65_536
RECEIVE_BYTES: Final = 1 << 16
MESSAGE_BYTES_MAX: Final = 16 << 20
"""What a message may be long; D-Bus allows 128 MiB, and HAL's longest has some kilobytes."""


class HalLost(DriverError):
    """Raised when HAL, or the bus it is on, is gone, hangs, or does not speak its language."""

    code = Code.NO_CONNECT


@dataclass(frozen=True, slots=True)
class Signal:
    """What HAL says unasked: the member of its interface, whom it is about, and what else."""

    member: str
    path: str
    body: tuple[Any, ...]


class Bus:
    """One connection. Used by one thread; any other may put an end to its waiting."""

    def __init__(self, address: str) -> None:
        """Connect, prove who we are, say hello. Raises HalLost."""
        self._serial = 0
        self._parser = Parser()
        self._signals: deque[Signal] = deque(maxlen=SIGNALS_MAX)
        self._kept = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._connect(address)
            self.ask(message_bus.Hello())
        except HalLost:
            self._socket.close()
            raise
        except TimeoutError:
            self._socket.close()
            reason = f"the bus did not let us in within {ANSWER_LIMIT_S:.0f} s"
            raise HalLost(reason, code=Code.OPERATION_TIMEOUT, subject="D-Bus") from None
        except (OSError, ValueError, RuntimeError) as error:
            self._socket.close()
            raise HalLost(f"the bus cannot be reached: {_words(error)}", subject="D-Bus") from None

    def _connect(self, address: str) -> None:
        deadline_s = time.monotonic() + ANSWER_LIMIT_S

        def in_time() -> socket.socket:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._socket.settimeout(left_s)
            return self._socket

        in_time().connect(get_bus(address or "SYSTEM"))
        proof = Authenticator(inc_null_byte=False)
        in_time().sendall(b"\0")
        for words in proof:
            in_time().sendall(words)
            answer = in_time().recv(1024)
            if not answer:
                raise ConnectionResetError("it hung up")
            proof.feed(answer)
        in_time().sendall(BEGIN)

    # Asking.

    def ask(self, question: Message) -> tuple[Any, ...]:
        """Ask, and wait for the answer. Raises HalLost, and DriverError if the answer is an error."""
        deadline_s = time.monotonic() + ANSWER_LIMIT_S
        self._serial += 1
        serial = self._serial
        try:
            self._socket.settimeout(ANSWER_LIMIT_S)
            self._socket.sendall(question.serialise(serial=serial))
            while True:
                message = self._receive(deadline_s)
                if message is None:
                    continue
                if message.header.fields.get(HeaderFields.reply_serial) == serial:
                    break
                self._keep(message)
        except TimeoutError:
            raise HalLost(f"no answer within {ANSWER_LIMIT_S:.0f} s", code=Code.OPERATION_TIMEOUT, subject="HAL") from None
        except (OSError, ValueError, KeyError, struct.error) as error:
            raise HalLost(f"the conversation broke off: {_words(error)}", subject="D-Bus") from None
        if message.header.message_type is MessageType.error:
            name = message.header.fields.get(HeaderFields.error_name, "")
            raise DriverError(f"the answer is {name!s:.80} {message.body!r:.200}", subject="HAL")
        body: tuple[Any, ...] = message.body
        return body

    def call(self, path: str, interface: str, member: str) -> tuple[Any, ...]:
        """Call one of HAL's methods."""
        question = new_method_call(DBusAddress(path, HAL, interface), member)
        question.header.flags = MessageFlag.no_auto_start
        return self.ask(question)

    def need_hal(self) -> None:
        """Raise HalLost if nobody on this bus says to be HAL. Nobody is started by the question."""
        if not self.ask(message_bus.NameHasOwner(HAL))[0]:
            raise HalLost("nobody on the bus has its name", subject="HAL")

    def subscribe(self) -> None:
        """Have HAL's signals sent to us, and the bus's word when HAL goes."""
        for rule in (
            MatchRule(type="signal", sender=HAL, interface=DIRECTORY),
            MatchRule(type="signal", sender=HAL, interface=DEVICE),
            _name_owner_rule(),
        ):
            self.ask(message_bus.AddMatch(rule))

    def properties(self, udi: str) -> Properties | None:
        """Ask for all that HAL knows of a device; None if it knows it no more. Raises HalLost."""
        try:
            (found,) = self.call(udi, DEVICE, "GetAllProperties")
        except HalLost:
            raise
        except (DriverError, ValueError):
            return None
        return {key: value for key, (_, value) in found.items()}

    def devices(self) -> dict[str, Properties]:
        """Ask for all devices. Raises HalLost."""
        (udis,) = self.call(DIRECTORY_PATH, DIRECTORY, "GetAllDevices")
        if len(udis) > DEVICES_MAX:
            raise HalLost(f"HAL has {len(udis)} devices, at most {DEVICES_MAX}", code=Code.OVERFLOW, subject="HAL")
        found = {udi: self.properties(udi) for udi in map(str, udis)}
        return {udi: properties for udi, properties in found.items() if properties is not None}

    def ping(self) -> None:
        """Make sure that HAL, too, still answers. Raises HalLost."""
        with suppress(_AnyAnswer):
            self._any_answer()

    def _any_answer(self) -> None:
        try:
            self.call(DIRECTORY_PATH, f"{BUS}.Peer", "Ping")
        except HalLost:
            raise
        except DriverError as error:
            if "ServiceUnknown" in error.text or "NameHasNoOwner" in error.text:
                raise HalLost("HAL has left the bus", subject="HAL") from None
            raise _AnyAnswer from None  # an old HAL may not know how to ping: it answers, and that is all we want

    # Listening.

    def listen(self, limit_s: float, end_fd: int) -> list[Signal] | None:
        """Wait for signals, at most so long; None when `end_fd` says that it is the end. Raises HalLost."""
        if not self._signals:
            poll = select.poll()
            for fd in (self._socket.fileno(), end_fd):
                poll.register(fd, select.POLLIN)
            if end_fd in {fd for fd, _ in poll.poll(round(limit_s * 1000))}:
                return None
            try:
                while (message := self._receive(time.monotonic())) is not None:
                    self._keep(message)
            except TimeoutError:
                pass
            except (OSError, ValueError, KeyError, struct.error) as error:
                raise HalLost(f"the bus is gone: {_words(error)}", subject="D-Bus") from None
        heard = list(self._signals)
        self._signals.clear()
        return heard

    def _receive(self, deadline_s: float) -> Message | None:
        """Return the next message. Raises TimeoutError, OSError, ValueError."""
        while True:
            message: Message | None = self._parser.get_next_message()
            if message is not None:
                self._kept = 0
                return message
            self._socket.settimeout(max(0.0, deadline_s - time.monotonic()))
            try:
                data = self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                raise TimeoutError from None
            if not data:
                raise ConnectionResetError("it hung up")
            self._kept += len(data)
            if self._kept > MESSAGE_BYTES_MAX:
                raise ValueError(f"a message is longer than {MESSAGE_BYTES_MAX} bytes")
            self._parser.add_data(data)

    def _keep(self, message: Message) -> None:
        if message.header.message_type is not MessageType.signal:
            return
        fields = message.header.fields
        member, path = str(fields.get(HeaderFields.member, "")), str(fields.get(HeaderFields.path, ""))
        if member == OWNER_CHANGED and fields.get(HeaderFields.sender) != BUS:
            return
        if len(self._signals) == SIGNALS_MAX:
            raise ValueError(f"more than {SIGNALS_MAX} signals wait")
        self._signals.append(Signal(member, path, tuple(message.body)))

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


class _AnyAnswer(Exception):
    """Something answered."""


def _name_owner_rule() -> MatchRule:
    rule = MatchRule(type="signal", sender=BUS, interface=BUS, member=OWNER_CHANGED)
    rule.add_arg_condition(0, HAL)
    return rule


def _words(error: Exception) -> str:
    return (os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)) or type(error).__name__
