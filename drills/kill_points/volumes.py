"""The operations of the storage driver on volumes, and the services it has for drivers with guests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.kill_points import pools, secrets
from tierhost.drills.kill_points.operation import Operation, Scene
from tierhost.drills.kill_points.pools import TAG, VOLUME, active_dir, filled, question, target

if TYPE_CHECKING:
    from tierhost.drills.kill_points.operation import Step

CAPACITY_BYTES: Final = 64 << 10
LARGER_BYTES: Final = 128 << 10
ZEROED: Final = 1
HEAD_BYTES: Final = 64
FACTS: Final = ("name", "format", "encrypted", "capacity", "physical", "refused")


def xml_of(name: str, kind: str = "raw", inside: str = "") -> str:
    """A volume, its space set aside."""
    size = f"<capacity>{CAPACITY_BYTES}</capacity>"
    return f"<volume><name>{name}</name>{size}<target><format type='{kind}'/>{inside}</target></volume>"


def encrypted_xml(scene: Scene) -> str:
    """An encrypted volume."""
    return xml_of("disk", inside=f"<encryption format='luks'><secret type='passphrase' uuid='{scene.uuid}'/></encryption>")


def view(scene: Scene) -> Any:
    """The volumes as a client sees them, and everything that lies in the pool's directory, hidden or not."""
    seen: list[Any] = [sorted(os.listdir(target(scene)))]
    for volume in scene.ask("storage.storage_vol_list", scene.tag):
        info = scene.ask("storage.storage_vol_get_info", scene.tag, volume["name"])
        facts = {fact: info[fact] for fact in FACTS if fact in info}
        plain = not facts.get("encrypted") and facts.get("format") == "raw"
        head = scene.ask("storage.storage_vol_download", scene.tag, volume["name"], 0, HEAD_BYTES) if plain else ""
        seen += [volume, facts, head]
    return seen


def empty(kind: str) -> Step:
    """An active pool with one volume in it."""

    def prepare(scene: Scene) -> None:
        active_dir(scene)
        scene.call("storage.storage_vol_create_xml", scene.tag, xml_of("disk", kind))

    return prepare


def written(scene: Scene) -> None:
    """An active pool with one volume in it, and something in that."""
    empty("raw")(scene)
    scene.call("storage.storage_vol_upload", scene.tag, "disk", b"old words")


def keyed(scene: Scene) -> None:
    """An active pool, and a secret."""
    secrets.define_and_set(scene)
    active_dir(scene)


def clear(scene: Scene) -> None:
    """Take all of it away."""
    pools.clear(scene)
    secrets.clear(scene)


def _change(name: str, prepare: Step, *args: Any, situation: str = "") -> Operation:
    def call(scene: Scene) -> Any:
        return scene.call(f"storage.storage_vol_{name}", scene.tag, *filled(scene, args))

    title = f"storage.storage_vol_{name}" + (f":{situation}" if situation else "")
    return Operation(title, call, view, prepare, pools.clear)


def _luks(scene: Scene) -> Any:
    return scene.call("storage.storage_vol_create_xml", scene.tag, encrypted_xml(scene))


def _release(scene: Scene) -> None:
    """Let go of what was held, so that the pool may be stopped."""
    scene.call("asker.ask", "storage", "release_volumes", {"holder": scene.tag})
    pools.clear(scene)


def _service(name: str, words: dict[str, Any]) -> Operation:
    def call(scene: Scene) -> Any:
        given = {key: filled(scene, (word,))[0] for key, word in words.items()}
        return scene.call("asker.ask", "storage", name, given)

    return Operation(f"storage.{name}", call, view, written, _release, changes=False)


OPERATIONS: Final = (
    _change("create_xml", active_dir, xml_of("disk")),
    _change("create_xml", active_dir, xml_of("disk", "qcow2"), situation="qcow2"),
    Operation("storage.storage_vol_create_xml:luks", _luks, view, keyed, clear),
    Operation("storage.storage_vol_create_xml:key", _luks, view, keyed, clear, victim="secret.get_value"),
    _change("create_xml_from", written, xml_of("copy", "qcow2"), TAG, "disk"),
    _change("delete", written, "disk"),
    _change("delete", written, "disk", ZEROED, situation="zeroed"),
    _change("resize", empty("raw"), "disk", LARGER_BYTES),
    _change("resize", empty("qcow2"), "disk", LARGER_BYTES, situation="qcow2"),
    _change("wipe", written, "disk"),
    _change("wipe_pattern", written, "disk", 0),
    _change("upload", written, "disk", b"new words"),
    question("storage_vol_list", written, TAG, look=view),
    question("storage_vol_get_info", written, TAG, "disk", look=view),
    question("storage_vol_get_xml_desc", written, TAG, "disk", look=view),
    question("storage_vol_lookup_by_name", written, TAG, "disk", look=view),
    question("storage_vol_lookup_by_path", written, VOLUME, look=view),
    question("storage_vol_lookup_by_key", written, VOLUME, look=view),
    question("storage_vol_download", written, TAG, "disk", look=view),
    _service("resolve_volume", {"pool": TAG, "volume": "disk", "holder": TAG}),
    _service("release_volumes", {"holder": TAG}),
    _service("hold_volumes", {"holders": {}}),
    _service("lookup_path", {"path": VOLUME}),
)
