"""Which volumes a guest holds: the ones its driver names, and the images below them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.arguments import check_text
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.looking import BACKING_DEPTH_MAX
from tierhost.workers.storage.occupancy import HOLDERS_MAX, VOLUMES_PER_HOLDER_MAX, Holder

if TYPE_CHECKING:
    from tierhost.workers.runtime.contract import Caller
    from tierhost.workers.storage.looking import Look
    from tierhost.workers.storage.occupancy import Volume
    from tierhost.workers.storage.registry import Pool
    from tierhost.workers.storage.workbench import Workbench

HOLDER_CHARS_MAX: Final = 200


def holder_of(caller: Caller | None, name: str) -> Holder:
    """Name a holder by the driver that speaks for it, which the kernel named, and what that driver calls it."""
    if len(check_text(name, "holder")) > HOLDER_CHARS_MAX:
        raise DriverError(f"a holder's name has at most {HOLDER_CHARS_MAX} characters", code=Code.INVALID_ARG)
    return Holder(caller.driver if caller else "", name)


def resolve_chain(bench: Workbench, pool: Pool, volume: str) -> list[tuple[Pool, Look]]:
    """Look at a volume and at the images below it that are volumes of active pools. The first must be there."""
    chain = [(pool, bench.look(pool, volume))]
    while len(chain) < BACKING_DEPTH_MAX:
        path = chain[-1][1].backing_path
        below = bench.pools.of_volume(path) if path else None
        if below is None or not below[0].active:
            return chain
        try:
            chain.append((below[0], bench.look(*below)))
        except DriverError:
            return chain  # not a volume, or not there: QEMU will say so better than we can
    raise DriverError(
        f"more than {BACKING_DEPTH_MAX} images are stacked",
        code=Code.OPERATION_UNSUPPORTED,
        subject=f"volume {pool.name}/{volume}",
    )


def listed_volumes(bench: Workbench, holders: Any) -> tuple[dict[str, frozenset[Volume]], list[list[str]]]:
    """Turn a driver's list into what is held, and what of it is unknown here."""
    if not isinstance(holders, dict) or len(holders) > HOLDERS_MAX:
        raise DriverError(f"expected a map of at most {HOLDERS_MAX} holders", code=Code.INVALID_ARG)
    held: dict[str, frozenset[Volume]] = {}
    unknown: list[list[str]] = []
    for name, volumes in holders.items():
        held[holder_of(None, name).name] = frozenset(_listed(bench, volumes, unknown))
    return held, unknown


def _listed(bench: Workbench, volumes: Any, unknown: list[list[str]]) -> list[Volume]:
    if not isinstance(volumes, list) or len(volumes) > VOLUMES_PER_HOLDER_MAX:
        raise DriverError(f"expected a list of at most {VOLUMES_PER_HOLDER_MAX} volumes", code=Code.INVALID_ARG)
    found: list[Volume] = []
    for entry in volumes:
        if not isinstance(entry, list | tuple) or [type(part) for part in entry] != [str, str]:
            raise DriverError("expected [pool, volume]", code=Code.INVALID_ARG)
        pool = bench.pools.get(entry[0])
        if pool is None:
            unknown.append(list(entry))
            continue
        found.append((pool.uuid, entry[1]))
        found += _below(bench, pool, entry[1])
    return found


def _below(bench: Workbench, pool: Pool, volume: str) -> list[Volume]:
    """Find the volumes below one, as far as they can be seen just now."""
    if not pool.active:
        return []
    try:
        return [(member.uuid, seen.name) for member, seen in resolve_chain(bench, pool, volume)]
    except DriverError:
        return []
