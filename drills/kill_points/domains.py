"""The operations of the qemu driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.kill_points import guests
from tierhost.drills.kill_points.guests import clear, clear_volume, define, started, view, view_devices
from tierhost.drills.kill_points.operation import Operation, Scene, nothing

if TYPE_CHECKING:
    from tierhost.drills.kill_points.operation import Step

PAUSED: Final = 1
FORCE_BOOT: Final = 16
CONFIG: Final = 2
LIVE_AND_CONFIG: Final = 3
FACTS: Final = ("name", "uuid", "state", "persistent", "autostart")
TAG: Final = "@tag"
UUID: Final = "@uuid"
FILE: Final = "@file"
DISK: Final = "@disk"
XML: Final = "@xml"


def _filled(scene: Scene, args: tuple[Any, ...]) -> list[Any]:
    words = {
        TAG: scene.tag,
        UUID: scene.uuid,
        FILE: str(guests.saved_file(scene)),
        DISK: guests.disk_xml(scene),
        XML: guests.xml_of(scene),
    }
    return [words.get(arg, arg) if isinstance(arg, str) else arg for arg in args]


def _change(
    name: str, prepare: Step, *args: Any, situation: str = "", look: Step = view, visible: bool = True, victim: str = ""
) -> Operation:
    def call(scene: Scene) -> Any:
        return scene.call(f"qemu.domain_{name}", *_filled(scene, args))

    title = f"qemu.domain_{name}" + (f":{situation}" if situation else "")
    finish = clear_volume if prepare is guests.on_encrypted_volume else clear
    return Operation(title, call, look, prepare, finish, visible=visible, victim=victim)


def _question(name: str, prepare: Step, *args: Any) -> Operation:
    """One that changes nothing; what numbers and sizes of a live guest are is left out."""

    def call(scene: Scene) -> Any:
        answer = scene.ask(f"qemu.domain_{name}", *_filled(scene, args))
        if name == "list":
            return [_plain(row) for row in answer if row["uuid"] == scene.uuid]
        return _plain(answer)

    return Operation(f"qemu.domain_{name}", call, view, prepare, clear, changes=False)


def _plain(answer: Any) -> Any:
    return {key: answer[key] for key in FACTS if key in answer} if isinstance(answer, dict) and "name" in answer else answer


def _lookup_by_id(scene: Scene) -> Any:
    # Asked once more after a death: a guest keeps its number.
    number = scene.ask("qemu.domain_lookup_by_name", scene.tag)["id"]
    return _plain(scene.ask("qemu.domain_lookup_by_id", number))


def _kill_and_look(scene: Scene) -> Any:
    scene.kill("qemu")
    return _plain(scene.ask("qemu.domain_lookup_by_name", scene.tag))


def _reload(scene: Scene) -> Any:
    scene.site.client.host("reload", "qemu")
    return _plain(scene.ask("qemu.domain_lookup_by_name", scene.tag))


OPERATIONS: Final = (
    _change("define_xml", nothing, XML),
    Operation(
        "qemu.domain_define_xml:again",
        lambda scene: scene.call("qemu.domain_define_xml", guests.xml_of(scene, description="second")),
        view,
        define,
        clear,
    ),
    _change("set_autostart", define, TAG, True),
    _change("undefine", define, TAG),
    _change("undefine", guests.with_saved_memory, TAG, 1, situation="saved"),
    _change("create", define, TAG),
    _change("create", define, TAG, PAUSED, situation="paused"),
    _change("create", guests.with_saved_memory, TAG, situation="restore"),
    _change("create", guests.with_saved_memory, TAG, FORCE_BOOT, situation="force-boot"),
    _change("create", guests.on_encrypted_volume, TAG, situation="encrypted-volume"),
    _change("create", guests.on_encrypted_volume, TAG, situation="volume", victim="storage.resolve_volume"),
    _change("create", guests.on_encrypted_volume, TAG, situation="key", victim="secret.get_value"),
    _change("create_xml", nothing, XML),
    _change("destroy", started, TAG),
    _change("shutdown", started, TAG, visible=False),
    _change("reboot", started, TAG, visible=False),
    _change("reset", started, TAG, visible=False),
    _change("suspend", started, TAG),
    _change("resume", guests.paused, TAG),
    _change("save", started, TAG, FILE),
    _change("restore", guests.saved_to_file, FILE),
    _change("managed_save", started, TAG),
    _change("managed_save_remove", guests.with_saved_memory, TAG),
    _change("attach_device", guests.started_with_file, TAG, DISK, look=view_devices),
    _change("attach_device_flags", guests.defined_with_file, TAG, DISK, CONFIG),
    _change("attach_device_flags", guests.started_with_file, TAG, DISK, LIVE_AND_CONFIG, situation="both", look=view_devices),
    _change("detach_device", guests.started_with_disk, TAG, DISK, look=view_devices),
    _change("detach_device_flags", guests.defined_with_disk, TAG, DISK, CONFIG),
    _question("list", define),
    _question("lookup_by_name", define, TAG),
    _question("lookup_by_uuid", define, UUID),
    Operation("qemu.domain_lookup_by_id", _lookup_by_id, view, started, clear, changes=False),
    _question("get_info", define, TAG),
    _question("get_state", started, TAG),
    _question("get_xml_desc", started, TAG, CONFIG),
    _question("get_block_info", guests.started_with_disk, TAG, "sda"),
    _question("get_autostart", define, TAG),
    _question("has_managed_save_image", define, TAG),
    Operation("qemu.state_initialize", _kill_and_look, view, started, clear, changes=False, own_lives=1),
    Operation("qemu.state_reload", _reload, view, started, clear, changes=False),
)
