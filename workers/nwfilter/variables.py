"""Variables of filters: $IP, $IP[1], $IP[@2]; and every combination that a rule with lists stands for. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice, product
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Variables = dict[str, tuple[str, ...]]

NAME: Final = re.compile(r"[A-Za-z0-9_]{1,64}\Z")
VALUE: Final = re.compile(r"[A-Za-z0-9_.:]{1,256}\Z")
ACCESS: Final = re.compile(r"\$([A-Za-z0-9_]{1,64})(?:\[\s*(@?)\s*(\d{1,6})\s*\])?\Z")
VALUES_MAX: Final = 1024
NAMES_MAX: Final = 256
COMBINATIONS_MAX: Final = 4096


class Unresolvable(DriverError):
    """Raised when a filter cannot be made concrete for a port: a variable has no value, a reference leads nowhere."""

    code = Code.INTERNAL_ERROR


@dataclass(frozen=True, slots=True)
class Access:
    """One use of a variable: its element number `index`, or, with none, each element in turn, in step with its `iterator`."""

    name: str
    index: int | None = None
    iterator: int = 0


def access(text: str) -> Access | None:
    """Read an attribute that is a variable; None if it is a plain value. Raises ValueError if it looks like neither."""
    if not text.startswith("$"):
        return None
    found = ACCESS.match(text)
    if found is None:
        raise ValueError("expected $NAME, $NAME[number] or $NAME[@number]")
    name, iterates, digits = found.groups()
    if digits is None:
        return Access(name)
    return Access(name, iterator=int(digits)) if iterates else Access(name, index=int(digits))


def combinations(texts: Iterable[str], variables: Mapping[str, tuple[str, ...]]) -> Iterator[dict[str, str]]:
    """Give, for each rule that one rule stands for, what each of its variable attributes becomes.

    Variables of one iterator go in step, so their lists are equally long, or of one element; iterators are combined.
    """
    used = {text: found for text in texts if (found := access(text)) is not None}
    fixed = {text: _element(one, variables) for text, one in used.items() if one.index is not None}
    groups: dict[int, dict[str, tuple[str, ...]]] = {}
    for text, one in used.items():
        if one.index is None:
            groups.setdefault(one.iterator, {})[text] = _values(one, variables)
    columns = [_in_step(group) for group in groups.values()]
    rows = list(islice(product(*columns), COMBINATIONS_MAX + 1))
    if len(rows) > COMBINATIONS_MAX:
        raise Unresolvable(f"the lists of one rule make more than {COMBINATIONS_MAX} combinations", code=Code.OVERFLOW)
    for row in rows:
        yield {**fixed, **{text: value for part in row for text, value in part.items()}}


def _in_step(group: dict[str, tuple[str, ...]]) -> list[dict[str, str]]:
    length = max(map(len, group.values()))
    for text, values in group.items():
        if len(values) not in {1, length}:
            reason = f"lists that are gone through in step differ in length: {text} has {len(values)} values, another {length}"
            raise Unresolvable(reason, hint="give them iterators of their own: $NAME[@1], $NAME[@2]")
    return [{text: values[row % len(values)] for text, values in group.items()} for row in range(length)]


def _values(one: Access, variables: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    found = variables.get(one.name, ())
    if not found:
        hint = f"give it: <parameter name='{one.name}' value='...'/> in the <filterref> of the port"
        if one.name in {"IP", "IPV6"}:
            hint += "; addresses are not learned from the guest's traffic here"
        raise Unresolvable(f"the variable ${one.name} has no value", hint=hint)
    return found


def _element(one: Access, variables: Mapping[str, tuple[str, ...]]) -> str:
    found = _values(one, variables)
    assert one.index is not None
    if one.index >= len(found):
        raise Unresolvable(f"${one.name}[{one.index}] does not exist: the list has {len(found)} values, counted from 0")
    return found[one.index]


def check_parameter(name: object, value: object) -> None:
    """Raise ValueError unless this may be a parameter's name and value."""
    if not (isinstance(name, str) and NAME.match(name)):
        raise ValueError(f"{name!r:.60} is no name of a parameter (letters, digits and _)")
    if not (isinstance(value, str) and VALUE.match(value)):
        raise ValueError(f"{value!r:.60} is no value of the parameter {name} (letters, digits, and any of _ . :)")


def gather(pairs: Iterable[tuple[str, str]]) -> Variables:
    """Make variables of parameters: one that is given again is a list. Raises ValueError."""
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        check_parameter(name, value)
        lists.setdefault(name, []).append(value)
    if len(lists) > NAMES_MAX or any(len(values) > VALUES_MAX for values in lists.values()):
        raise ValueError(f"more than {NAMES_MAX} parameters, or more than {VALUES_MAX} values of one")
    return {name: tuple(values) for name, values in lists.items()}
