"""Everything but the guests was killed: how long a start takes until all is there again; beside libvirtd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks import definitions, libvirtd
from tests.benchmarks.figures import MS, Bar, Entry, Skipped, compare
from tests.benchmarks.libvirtd import MeasuredLibvirtd
from tests.benchmarks.site import Site, listed

if TYPE_CHECKING:
    from tests.benchmarks.setting import Setting

WANTED = definitions.Set(secrets=10, pools=10, guests=10)
LIBVIRTD = "libvirtd 9.0.0"


def run(setting: Setting) -> list[Entry | Skipped]:
    """Kill and start both in turns, over the same definitions and guests that never stop running."""
    reason = libvirtd.why_not()
    if reason:
        return [Skipped("cold_start", reason)]
    site = Site(setting.folder / "ours")
    site.start()
    site.wait_ready()
    with site.client() as client:
        site.fill(client, WANTED)
    with MeasuredLibvirtd(setting.folder / "libvirt") as peer:
        peer.start()
        peer.fill(WANTED, setting.folder / "pools")
        ours: list[dict[str, float]] = []
        theirs: list[dict[str, float]] = []
        for _ in range(setting.times(12, 3)):
            ours.append(_start_ours(site))
            peer.kill()
            theirs.append(peer.restart_until_listed(WANTED))
    return [compare("cold_start", in_parts(ours, theirs, LIBVIRTD, "all"), LIBVIRTD, Bar(ratio_max=1), unit="ms", scale=MS)]


def _start_ours(site: Site) -> dict[str, float]:
    site.kill_everything_but_guests()
    start_s = site.start()
    with site.client() as client:
        return {name: at_s - start_s for name, at_s in listed(client, WANTED).items()}


def in_parts(ours: list[dict[str, float]], theirs: list[dict[str, float]], peer: str, part: str) -> dict[str, list[float]]:
    """Lay out samples of several moments each: the one that counts by its bare name, the others for the detail."""
    samples = {"ours": [one[part] for one in ours], peer: [one[part] for one in theirs]}
    for name in ours[0]:
        if name != part:
            samples[f"ours: {name}"] = [one[name] for one in ours]
            samples[f"{peer}: {name}"] = [one[name] for one in theirs]
    return samples
