"""What all parts of the driver work with, made anew by initialize: networks, the back end, deadlines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tierhost.workers.network.backend import Backend
from tierhost.workers.network.options import read_options
from tierhost.workers.network.registry import Networks
from tierhost.workers.runtime import calling

if TYPE_CHECKING:
    from tierhost.workers.network.vigil import Vigil
    from tierhost.workers.runtime.contract import Context


class Workbench:
    """One life's view of the networks."""

    vigil: Vigil

    def __init__(self, context: Context) -> None:
        self.context = context
        self.options = read_options(context.config)
        self.networks = Networks()
        self.backend = Backend(context.run_dir, context.state_dir, self.options.dnsmasq_user)

    def left_s(self) -> float:
        """How long whoever asked still waits."""
        return max(0.0, calling.deadline_s() - time.monotonic())

    def deadline_s(self) -> float:
        """By when an act must be done: as long as is usual, at most half of the time that whoever asked waits.

        The rest is for taking it back, or, in initialize, for the other networks.
        """
        return time.monotonic() + min(self.options.command_limit_s, self.left_s() / 2)
