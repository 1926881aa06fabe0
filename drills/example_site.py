"""The example site of the documentation, set up by calls alone: secrets, networks, pools, volumes, guests."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tierhost.ipc.client import Client

EXAMPLES: Final = Path(__file__).resolve().parents[1] / "docs" / "examples"
IMAGE_BYTES: Final = 64 << 20
MAKE_DIRECTORY: Final = 1
MAKE_FILE_SYSTEM: Final = 4
SLOW_CALL_S: Final = 60.0
"""Making a file system and an encrypted volume takes seconds: its key is made hard to guess."""

EMULATOR: Final = "qemu-system-x86_64"
FORMATTER: Final = "mkfs.ext4"
NETWORK_PROGRAMS: Final = {"ip": "iproute2", "nft": "nftables", "dnsmasq": "dnsmasq-base"}


@dataclass(frozen=True, slots=True)
class Ability:
    """What this machine lets us do, and what to say about the rest."""

    guests: bool
    encryption: bool
    mounts: bool
    networks: bool = False
    missing: tuple[str, ...] = ()


def ability(*, apart: bool | None = None) -> Ability:
    """Look at the machine. `apart`: whether we are in a network namespace of our own; only there a network is made.

    Without it the site has no network, and nothing is said of that.
    """
    missing = []
    guests, encryption = shutil.which(EMULATOR) is not None, shutil.which("qemu-img") is not None
    mounts = os.geteuid() == 0
    if not guests:
        missing.append("no guests: install the package qemu-system-x86")
    if not encryption:
        missing.append("no encrypted volume: install the package qemu-utils")
    if not mounts:
        missing.append("the pool 'vault' is a directory instead of a mounted image: only root may mount")
    elif shutil.which(FORMATTER) is None:
        mounts = False
        missing.append("the pool 'vault' is a directory instead of a mounted image: install the package e2fsprogs")
    lacking = [package for program, package in NETWORK_PROGRAMS.items() if shutil.which(program) is None]
    if apart is not None and lacking:
        missing.append(f"no network: install {', '.join(lacking)}")
    elif apart is False:
        missing.append("no network: only root may make one")
    return Ability(guests, encryption, mounts, bool(apart) and not lacking, tuple(missing))


@dataclass(slots=True)
class ExampleSite:
    """What was set up. `pools` and `networks` are active and `guests` run from then on, whatever is killed."""

    folder: Path
    can: Ability
    pools: list[str] = field(default_factory=list)
    guests: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    secret_uuid: str = ""

    def text(self, path: str) -> str:
        """One of the site's XML files, with its folder filled in."""
        return (EXAMPLES / "site" / path).read_text(encoding="utf-8").replace("@ROOT@", str(self.folder))

    def define_secret(self, client: Client) -> None:
        """A passphrase that is made up here and known to nobody."""
        self.secret_uuid = client.call("secret.secret_define_xml", self.text("secrets/vault-safe.xml"))["uuid"]
        client.call("secret.secret_set_value", self.secret_uuid, secrets.token_urlsafe(24).encode())

    def start_networks(self, client: Client) -> None:
        """One that hands out addresses to its guests, and lets none of them out."""
        if self.can.networks:
            client.call("network.network_define_xml", self.text("networks/lab.xml"))
            client.call("network.network_create", "lab")
            self.networks = ["lab"]

    def start_pools(self, client: Client) -> None:
        """One that starts at every boot, and one that is started once by a call."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        client.call("storage.storage_pool_define_xml", self.text("pools/images.xml"))
        client.call("storage.storage_pool_set_autostart", "images", True)
        client.call("storage.storage_pool_create", "images", MAKE_DIRECTORY)
        if self.can.mounts:
            image = self.folder / "vault.ext4"
            image.touch(mode=0o600)
            os.truncate(image, IMAGE_BYTES)
        kind, flags = ("vault", MAKE_FILE_SYSTEM) if self.can.mounts else ("vault.no-root", MAKE_DIRECTORY)
        client.call("storage.storage_pool_define_xml", self.text(f"pools/{kind}.xml"))
        client.call("storage.storage_pool_create", "vault", flags, deadline_s=SLOW_CALL_S)
        self.pools = ["images", "vault"]

    def make_volumes(self, client: Client) -> None:
        """A plain disk a guest boots from, and an encrypted copy of it."""
        client.call("storage.storage_vol_create_xml", "images", self.text("volumes/images/web.xml"))
        boot = (EXAMPLES / "guest" / "boot.bin").read_bytes()
        client.call("storage.storage_vol_upload", "images", "web", boot)
        if self.can.encryption:
            xml = self.text("volumes/vault/safe.xml")
            client.call("storage.storage_vol_create_xml_from", "vault", xml, "images", "web", deadline_s=SLOW_CALL_S)

    def start_guests(self, client: Client) -> None:
        """One that starts at every boot, and one on the encrypted volume."""
        if not self.can.guests:
            return
        names = ["web", "ledger"] if self.can.encryption else ["web"]
        for name in names:
            client.call("qemu.domain_define_xml", self.text(f"guests/{name}.xml"))
            client.call("qemu.domain_create", name, deadline_s=SLOW_CALL_S)
            self.guests.append(name)
        client.call("qemu.domain_set_autostart", "web", True)

    def take_down(self, client: Client) -> None:
        """End the guests and stop the pools, so that nothing of the site outlives its host."""
        for row in client.call("qemu.domain_list", changes=False) if self.can.guests else ():
            if row["id"] >= 0:
                client.call("qemu.domain_destroy", row["name"])
        for name in self.networks:
            client.call("network.network_destroy", name)
        for row in client.call("storage.storage_pool_list", changes=False):
            if row["state"] == "active":
                client.call("storage.storage_pool_destroy", row["name"], deadline_s=SLOW_CALL_S)
