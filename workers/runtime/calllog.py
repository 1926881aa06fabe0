"""The latest changes by call id and how they ended, packed many to a row so that a thousand of them open quickly. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

CALLS_KEPT: Final = 1024
PAGE_CALLS_MAX: Final = 32
"""Records of one page: each commit of a call writes its page again, and each opening reads all pages."""

Record: TypeAlias = tuple[bool, Any]
"""Whether the call was answered, and with what."""

Page: TypeAlias = dict[str, Record]


class CallLog:
    """Records in the order in which they were first made; the oldest page goes when the rest is enough.

    `plan` says what a commit has to write and changes nothing; `apply` takes it over once it is durable.
    """

    def __init__(self, pages: Mapping[str, Mapping[str, Any]]) -> None:
        self._pages: dict[str, Page] = {}
        for name in sorted(pages):
            self._pages[name] = {call: (bool(record[0]), record[1]) for call, record in pages[name].items()}
        self._page_of = {call: name for name, page in self._pages.items() for call in page}

    def find(self, call: str) -> Record | None:
        """Return what is known of a call."""
        page = self._page_of.get(call)
        return None if page is None else self._pages[page][call]

    def plan(self, records: Mapping[str, Record | None]) -> dict[str, Page | None]:
        """Return the pages that change when these records are written (or, where None, struck out)."""
        planned: dict[str, Page | None] = {}
        for call, record in records.items():
            name = self._page_of.get(call) or self._open_page(planned)
            page = planned.get(name)
            if page is None:
                page = planned[name] = dict(self._pages.get(name, {}))
            if record is None:
                page.pop(call, None)
            else:
                page[call] = record
        oldest = next(iter(self._pages), None)
        if oldest is not None and oldest not in planned and len(self._page_of) - len(self._pages[oldest]) >= CALLS_KEPT:
            planned[oldest] = None
        return planned

    def _open_page(self, planned: Mapping[str, Page | None]) -> str:
        last = max((*self._pages, *planned), default="")
        page = planned.get(last) or self._pages.get(last, {})
        if last and len(page) < PAGE_CALLS_MAX:
            return last
        return f"{int(last or 0) + 1:012d}"

    def apply(self, planned: Mapping[str, Page | None]) -> None:
        """Take over what `plan` said."""
        for name, page in planned.items():
            for call in self._pages.pop(name, {}) if page is None else self._pages.get(name, {}):
                del self._page_of[call]
            if page is not None:
                self._pages[name] = page
                self._page_of.update(dict.fromkeys(page, name))
