"""Effects on the machine's links, over one netlink socket per conversation: typed errors, and a deadline."""

from __future__ import annotations

import errno
import os
import socket
import sys
from typing import TYPE_CHECKING, Final, Self

from tierhost.workers.interface import messages as m
from tierhost.workers.interface.state import Link, World
from tierhost.workers.interface.steps import Address, Attach, Delete, Detach, Gateway, Make, Mtu, Switch
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tierhost.workers.interface.steps import Step

ANSWER_LIMIT_S: Final = 5.0
"""How long the kernel may take for one answer. It answers in a millisecond, unless it hangs."""

ADD_ADDRESS: Final = (m.NEWADDR, m.CREATE | m.EXCL)
DROP_ADDRESS: Final = (m.DELADDR, 0)
ADD_ROUTE: Final = (m.NEWROUTE, m.CREATE | m.EXCL)
DROP_ROUTE: Final = (m.DELROUTE, 0)
DUMPS_MAX: Final = 100
RECEIVE_BYTES: Final = 1 << 18
NETLINK_EXT_ACK: Final = 11
SOL_NETLINK: Final = 270

CODES: Final = {
    errno.EPERM: (Code.ACCESS_DENIED, "run the host as root, or give it CAP_NET_ADMIN"),
    errno.EACCES: (Code.ACCESS_DENIED, "run the host as root, or give it CAP_NET_ADMIN"),
    errno.EEXIST: (Code.OPERATION_FAILED, "`ip link` shows who has that name"),
    errno.ENODEV: (Code.NO_INTERFACE, "`ip link` shows what is there"),
    errno.EBUSY: (Code.RESOURCE_BUSY, "somebody else uses it"),
    errno.ENETDOWN: (Code.OPERATION_FAILED, "the device below it is down: set that up first"),
}
MODULES: Final = {"vlan": "8021q", "bond": "bonding", "bridge": "bridge"}


class LinkFailed(DriverError):
    """Raised when the kernel refuses; `number` is its errno."""

    def __init__(self, what: str, number: int, words: str, subject: str) -> None:
        code, hint = CODES.get(number, (Code.OPERATION_FAILED, ""))
        told = f"{os.strerror(number)}{f': {words}' if words else ''}"
        super().__init__(f"cannot {what}: {told}", code=code, subject=subject, hint=hint)
        self.number = number


class Links:
    """The links of the network namespace we are in. One object, any thread: each question opens its own socket."""

    def world(self) -> World:
        """Look at every link, with its addresses and default routes."""
        with _Conversation() as kernel:
            raw = [m.read_link(body) for body in kernel.dump(m.GETLINK, m.LINK.pack(0, 0, 0, 0, 0))]
            addresses = kernel.each(m.GETADDR, m.ADDRESS.pack(0, 0, 0, 0, 0), m.read_address)
            routes = kernel.each(m.GETROUTE, m.ROUTE.pack(*[0] * 9), m.read_route)
        names = {link["index"]: link["name"] for link in raw}
        found = {}
        for link in raw:
            index = link["index"]
            plain = {**link, "master": names.get(link["master"], ""), "parent": names.get(link["parent"], "")}
            mine = frozenset(written for at, written in addresses if at == index)
            found[link["name"]] = Link(**plain, addresses=mine, gateways=frozenset(to for at, to in routes if at == index))
        return World(found)

    def perform(self, step: Step) -> None:
        """Do one step, unless it holds. The device is looked up right before: by its index, not by a name that may have moved."""
        world = self.world()
        if step.holds(world):
            return
        if isinstance(step, Make):
            parent = _need(world, step.parent).index if step.parent else 0
            _make(step, parent)
            return
        link = _need(world, step.name)
        match step:
            case Delete():
                _ask(m.DELLINK, 0, m.change_link(link.index), "remove it", link)
            case Attach(master=master):
                _attach(link, _need(world, master))
            case Detach():
                _ask(m.NEWLINK, 0, m.change_link(link.index, extra=m.number(m.IFLA_MASTER, 0)), "let it go", link)
            case Mtu(mtu=mtu):
                extra = m.number(m.IFLA_MTU, mtu)
                _ask(m.NEWLINK, 0, m.change_link(link.index, extra=extra), f"set its MTU to {mtu}", link)
            case Switch(up=up):
                _ask(m.NEWLINK, 0, m.change_link(link.index, up=up), f"set it {'up' if up else 'down'}", link)
            case Address(written=written, wanted=wanted):
                what = f"{'give it' if wanted else 'take away'} the address {written}"
                _ask(*(ADD_ADDRESS if wanted else DROP_ADDRESS), m.address(link.index, written), what, link)
            case Gateway(gateway=gateway, wanted=wanted):
                what = f"{'route' if wanted else 'stop routing'} over {gateway}"
                _ask(*(ADD_ROUTE if wanted else DROP_ROUTE), m.default_route(link.index, gateway), what, link)


def _make(step: Make, parent: int) -> None:
    body = m.new_link(step.index, step.name, step.kind, step.options, parent)
    try:
        _ask(m.NEWLINK, m.CREATE | m.EXCL, body, f"make the {step.kind}", Link(step.name, step.index))
    except LinkFailed as failure:
        if failure.number != errno.EOPNOTSUPP:
            raise
        hint = f"load its module ({MODULES.get(step.kind, step.kind)}), or boot a kernel that has it"
        reason = f"a {step.kind} is unsupported by this kernel"
        raise DriverError(reason, code=Code.CONFIG_UNSUPPORTED, subject=f"interface {step.name}", hint=hint) from None


def _attach(link: Link, master: Link) -> None:
    if link.master:
        reason = f"it is a port of '{link.master}' already"
        raise DriverError(reason, code=Code.RESOURCE_BUSY, subject=f"interface {link.name}", hint="let it go there first")
    extra = m.number(m.IFLA_MASTER, master.index)
    _ask(m.NEWLINK, 0, m.change_link(link.index, extra=extra), f"make it a port of {master.name}", link)


def _need(world: World, name: str) -> Link:
    link = world.get(name)
    if link is None:
        reason = "there is no device of this name"
        raise DriverError(reason, code=Code.NO_INTERFACE, subject=f"interface {name}", hint="`ip link` shows what is there")
    return link


def _ask(kind: int, flags: int, body: bytes, what: str, link: Link) -> None:
    with _Conversation() as kernel:
        number, words = kernel.ask(kind, flags, body)
    if number:
        raise LinkFailed(what, number, words, f"interface {link.name}")


class _Conversation:
    """One socket: a question, and its answers."""

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        except OSError as error:
            reason = f"the kernel does not talk about interfaces: {error.strerror}"
            raise DriverError(reason, code=Code.SYSTEM_ERROR, subject="netlink") from None
        self._socket.settimeout(ANSWER_LIMIT_S)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, kind: int, flags: int, body: bytes) -> tuple[int, str]:
        """Ask for a change. Returns the errno, 0 if it was made, and the kernel's words."""
        self._send(kind, m.REQUEST | m.ACK | flags, body)
        for answer, answer_flags, answer_body in self._answers():
            if answer == m.NLMSG_ERROR:
                number = -int.from_bytes(answer_body[:4], sys.byteorder, signed=True)
                return number, m.words_of(answer_flags, answer_body) if number else ""
        return errno.EPROTO, ""

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """Ask for everything of a kind. What changed while it was told is told again, until it stands still for once."""
        for _ in range(DUMPS_MAX):
            found, whole = self._dump(kind, body)
            if whole:
                return found
        reason = "the interfaces changed each time they were looked at"
        raise DriverError(reason, code=Code.RESOURCE_BUSY, subject="netlink", hint="try again")

    def _dump(self, kind: int, body: bytes) -> tuple[list[bytes], bool]:
        self._send(kind, m.REQUEST | m.ROOT_MATCH, body)
        found: list[bytes] = []
        whole = True
        for answer, flags, answer_body in self._answers():
            whole = whole and not flags & m.DUMP_INTERRUPTED
            if answer == m.NLMSG_DONE:
                return found, whole
            if answer == m.NLMSG_ERROR:
                number = -int.from_bytes(answer_body[:4], sys.byteorder, signed=True)
                raise LinkFailed("look at the interfaces", number, "", "netlink")
            found.append(answer_body)
        return found, False

    def each(self, kind: int, body: bytes, read: Callable[[bytes], tuple[int, str] | None]) -> list[tuple[int, str]]:
        """Ask for everything of a kind, and keep what can be read."""
        return [value for value in map(read, self.dump(kind, body)) if value is not None]

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        self._socket.send(m.HEADER.pack(m.HEADER.size + len(body), kind, flags, self._sequence, 0) + body)

    def _answers(self) -> Iterator[tuple[int, int, bytes]]:
        while True:
            try:
                data = self._socket.recv(RECEIVE_BYTES)
            except TimeoutError:
                reason = f"the kernel did not answer within {ANSWER_LIMIT_S:.0f} s"
                raise DriverError(reason, code=Code.OPERATION_TIMEOUT, subject="netlink") from None
            for kind, flags, sequence, body in m.messages(data):
                if sequence == self._sequence:
                    yield kind, flags, body
