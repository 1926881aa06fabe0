"""All that a driver must be, and nothing more."""

from __future__ import annotations

from tierhost.workers.runtime.contract import Code, DriverError, InhibitCallback, InitResult, StateDriver, change, read, service

COUNTS = "counts"
NAME_CHARS_MAX = 40


class SampleDriver(StateDriver):
    """Counts under names."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Load the counts."""
        self._counts = {name: int(row["n"]) for name, row in self.context.persistent.all(COUNTS).items()}
        return InitResult.COMPLETE

    def objects(self) -> dict[str, dict[str, int]]:
        """Count the names."""
        return {"counts": {"begun": len(self._counts)}}

    @change()
    def count(self, name: str) -> int:
        """Count one more."""
        if not isinstance(name, str) or not 0 < len(name) <= NAME_CHARS_MAX:
            reason = f"a name has 1 to {NAME_CHARS_MAX} characters"
            raise DriverError(reason, code=Code.INVALID_ARG, subject="count")
        with self.context.jobs.changing(f"count {name}"):
            number = self._counts.get(name, 0) + 1
            with self.context.persistent.transaction() as t:
                t.put(COUNTS, name, {"n": number})
                t.reply(number)
            self._counts[name] = number
        return number

    @read(inline=True)
    def counts(self) -> dict[str, int]:
        """Show all counts."""
        return dict(self._counts)

    @service()
    def counted(self) -> int:
        """Say how many there are."""
        return len(self._counts)
