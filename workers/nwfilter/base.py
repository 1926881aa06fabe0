"""What the driver's groups of methods share: the parts that initialize makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.workers.runtime.contract import StateDriver

if TYPE_CHECKING:
    from tierhost.workers.nwfilter.binder import Binder


class NwfilterBase(StateDriver):
    """Has the parts, and nothing to call."""

    binder: Binder
