"""Elements of HTML and SVG as text; everything that goes in is escaped here, and nowhere else."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

VOID: Final = frozenset({"meta", "br", "rect", "line", "circle", "path", "use"})


NOT_TEXT: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What neither XML nor HTML can carry, not even escaped: a worker may have said it all the same."""


def clean(text: str) -> str:
    """Put a sign in the place of what cannot be carried."""
    return NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, /, *content: str | Iterable[Markup], **attributes: object) -> Markup:
    """One element. Text is escaped, Markup is not; `class_` is class, `view_box` is viewBox, other `_` become `-`."""
    inside = "".join(_text(part) for part in content)
    told = "".join(
        f' {_attribute(key)}="{html.escape(clean(_short(value)))}"' for key, value in attributes.items() if value is not None
    )
    if name in VOID and not inside:
        return Markup(f"<{name}{told}>" if name in {"meta", "br"} else f"<{name}{told}/>")
    return Markup(f"<{name}{told}>{inside}</{name}>")


def table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[str]], **attributes: object) -> Markup:
    """A table whose first column names its rows."""
    head = tag("thead", tag("tr", [tag("th", each, scope="col") for each in heads]))
    body = [
        tag("tr", [tag("th", cell, scope="row") if number == 0 else tag("td", cell) for number, cell in enumerate(row)])
        for row in rows
    ]
    whole = tag("table", tag("caption", caption), head, tag("tbody", body), **attributes)
    # Wide tables scroll inside the page, also by keyboard.
    return tag("div", whole, class_="wide", tabindex="0", role="region", aria_label=caption)


def _text(part: str | Iterable[Markup]) -> str:
    if isinstance(part, Markup):
        return part
    return html.escape(clean(part)) if isinstance(part, str) else "".join(part)


def _attribute(key: str) -> str:
    return {"class_": "class", "view_box": "viewBox", "text_anchor": "text-anchor"}.get(key, key.replace("_", "-"))


def _short(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
