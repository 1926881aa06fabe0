"""One binding: which filter is on which port of whose guest; from XML, from a call, from a record, and back. Pure."""

from __future__ import annotations

import re
import uuid as uuids
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from tierhost.workers.nwfilter import variables
from tierhost.workers.nwfilter.filter_xml import NAME, reference_from
from tierhost.workers.nwfilter.values import mac_number, mac_text
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.definitions import parse, validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.nwfilter.variables import Variables

PORT_DEV: Final = re.compile(r"[A-Za-z0-9_.-]{1,15}\Z")
OWNER_NAME_CHARS_MAX: Final = 256
MULTICAST: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class Binding:
    """A filter on a port. `driver` is who asked for it; nothing if a client did."""

    port_dev: str
    mac: str
    filter: str
    parameters: Variables
    owner: str
    owner_name: str
    driver: str
    link_dev: str = ""

    @property
    def subject(self) -> str:
        """How errors and events name it."""
        return f"binding {self.port_dev}"

    @property
    def variables(self) -> Variables:
        """What its filters' variables are: its parameters, and $MAC, which is never another."""
        return {**self.parameters, "MAC": (self.mac,)}

    def row(self) -> dict[str, Any]:
        """Return it as the store keeps it."""
        row = {name: getattr(self, name) for name in self.__slots__}
        return {**row, "parameters": {name: list(values) for name, values in self.parameters.items()}}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Binding:
        """Read what `row` wrote."""
        return cls(**{**row, "parameters": {name: tuple(values) for name, values in row["parameters"].items()}})

    def shown(self) -> dict[str, Any]:
        """What a list says of it."""
        return {"port_dev": self.port_dev, "filter": self.filter, "mac": self.mac, "owner": self.owner, "driver": self.driver}

    def xml(self) -> str:
        """Return it as libvirt writes it."""
        root = etree.Element("filterbinding")
        owner = etree.SubElement(root, "owner")
        etree.SubElement(owner, "name").text = self.owner_name
        etree.SubElement(owner, "uuid").text = self.owner
        etree.SubElement(root, "portdev", name=self.port_dev)
        if self.link_dev:
            etree.SubElement(root, "linkdev", name=self.link_dev)
        etree.SubElement(root, "mac", address=self.mac)
        reference = etree.SubElement(root, "filterref", filter=self.filter)
        for name, values in self.parameters.items():
            for value in values:
                etree.SubElement(reference, "parameter", name=name, value=value)
        return str(etree.tostring(root, encoding="unicode", pretty_print=True))


def parse_binding(text: str, *, valid: bool = False) -> tuple[Binding, list[str]]:
    """Read libvirt's XML; also return what in it nobody acts on. Raises BadDefinition."""
    root = parse(text, "filterbinding")
    if valid:
        validate(root, "nwfilterbinding")
    owner = root.need_child("owner")
    link = root.child("linkdev")
    reference = reference_from(root.need_child("filterref"))
    try:
        made = make_binding(
            root.need_child("portdev").need("name"),
            root.need_child("mac").need("address"),
            reference.filter,
            {name: list(values) for name, values in reference.parameters.items()},
            owner.need_child("uuid").text,
            owner.child_text("name"),
            driver="",
            link_dev=link.need("name") if link is not None else "",
        )
    except DriverError as error:
        raise root.bad(error.text) from None
    return made, root.unread()


def make_binding(
    port_dev: object,
    mac: object,
    filter_name: object,
    parameters: object,
    owner: object,
    owner_name: object,
    *,
    driver: str,
    link_dev: str = "",
) -> Binding:
    """Check what a call says of a binding. Raises DriverError naming what is wrong."""
    try:
        return Binding(
            port_dev=check_port(port_dev),
            mac=_mac(mac),
            filter=_filter(filter_name),
            parameters=_parameters(parameters),
            owner=check_owner(owner),
            owner_name=_text(owner_name),
            driver=driver,
            link_dev=check_port(link_dev) if link_dev else "",
        )
    except ValueError as error:
        raise DriverError(str(error), code=Code.INVALID_ARG, subject=f"binding {port_dev!s:.30}") from None


def check_port(name: object) -> str:
    """Return the name of a device, or raise ValueError."""
    if not (isinstance(name, str) and PORT_DEV.match(name)) or name in {".", ".."}:
        raise ValueError(f"{name!r:.40} is no port device (1 to 15 letters, digits and _ . -)")
    return name


def check_owner(owner: object) -> str:
    """Return an owner's uuid, or raise ValueError."""
    try:
        return str(uuids.UUID(str(owner)))
    except ValueError:
        raise ValueError(f"the owner is {owner!r:.60}, expected a UUID") from None


def _mac(text: object) -> str:
    number = mac_number(str(text))
    if number & MULTICAST:
        raise ValueError(f"the MAC address {text!s:.20} is a multicast address")
    return mac_text(number)


def _filter(name: object) -> str:
    if not (isinstance(name, str) and NAME.match(name)):
        raise ValueError(f"{name!r:.60} cannot be the name of a filter")
    return name


def _parameters(given: object) -> Variables:
    if not isinstance(given, dict):
        raise ValueError("parameters are a map of names to values")  # noqa: TRY004  # the caller's mistake, told as all of them are
    pairs = [(name, one) for name, values in given.items() for one in (values if isinstance(values, list | tuple) else [values])]
    if any(str(name) == "MAC" for name, _ in pairs):
        pairs = [(name, one) for name, one in pairs if name != "MAC"]
    return variables.gather(pairs)


def _text(text: object) -> str:
    if not isinstance(text, str) or len(text) > OWNER_NAME_CHARS_MAX or not text.isprintable():
        raise ValueError(f"the owner's name is {text!r:.60}, expected up to {OWNER_NAME_CHARS_MAX} printable characters")
    return text
