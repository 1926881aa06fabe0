"""The private libvirtd of the drills, as a peer: filled with the benchmarks' definitions, and timed when it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks import definitions
from tierhost.drills.targets.private_libvirtd import ANSWER_LIMIT_S, PrivateLibvirtd, why_not

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.definitions import Set

__all__ = ["MeasuredLibvirtd", "why_not"]


class MeasuredLibvirtd(PrivateLibvirtd):
    """Made once per benchmark; `start` and `kill` as often as needed."""

    def restart_until_listed(self, wanted: Set) -> dict[str, float]:
        """Start libvirtd with a client waiting for it. Returns seconds to first list, all listed, all re-attached."""
        prepared = self.prepare()
        self.client.give("listed", secrets=wanted.secrets, pools=wanted.pools, guests=wanted.guests)
        start_s = self.go(prepared)
        listed = self.client.answer(deadline_s=ANSWER_LIMIT_S)
        return {name.removesuffix("_s"): at_s - start_s for name, at_s in listed.items()}

    def fill(self, wanted: Set, below: Path) -> None:
        """Define and start everything that the benchmark is about."""
        self.ask("open")
        self.ask(
            "define",
            secrets=[(xml, value.decode()) for xml, value in definitions.secrets(wanted.secrets)],
            pools=[xml for _, xml in definitions.pools(wanted.pools, below)],
            guests=[xml for _, xml in definitions.guests(wanted.guests)],
        )
