"""Saved memory of guests that were undefined: it goes, though whoever undefined them dies over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tierhost.workers.qemu.roster import Roster
    from tierhost.workers.qemu.saving import Saving
    from tierhost.workers.runtime.store import Transaction

REMOVAL: Final = "remove image "


def intend_removal(t: Transaction, uuid: str) -> None:
    """Say, with what makes a guest's saved memory useless, that it goes: nobody would look for it any more."""
    t.intend(f"{REMOVAL}{uuid}", {"uuid": uuid})


def settle_removals(roster: Roster, saving: Saving) -> None:
    """Remove what was to be removed, by this life or one that died over it."""
    persistent = roster.context.persistent
    intents = {key: facts for key, facts in persistent.intents().items() if key.startswith(REMOVAL)}
    for key, facts in intents.items():
        # Unless it was defined again since, and saved again.
        if facts["uuid"] not in roster.domains:
            saving.remove_image(facts["uuid"])
        with persistent.transaction() as t:
            t.settle(key)
