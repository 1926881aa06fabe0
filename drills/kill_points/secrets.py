"""A secret in a drill of another driver: what it is, and how it is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tierhost.drills.kill_points.operation import Scene


def xml_of(scene: Scene, description: str = "first", *, ephemeral: bool = False) -> str:
    """A definition."""
    lasts = "yes" if ephemeral else "no"
    about = f"<uuid>{scene.uuid}</uuid><description>{description}</description>"
    return f"<secret ephemeral='{lasts}'>{about}<usage type='ceph'><name>{scene.tag}</name></usage></secret>"


def view(scene: Scene) -> Any:
    """The definition and the value, as a client sees them."""
    return [
        scene.ask("secret.secret_lookup_by_uuid", scene.uuid),
        scene.ask("secret.secret_get_xml_desc", scene.uuid),
        scene.ask("secret.secret_get_value", scene.uuid),
        [row["uuid"] for row in scene.ask("secret.secret_list") if row["uuid"] == scene.uuid],
    ]


def define(scene: Scene) -> Any:
    """Define it for the first time."""
    return scene.call("secret.secret_define_xml", xml_of(scene))


def set_value(scene: Scene, word: str = "old") -> Any:
    """Give it a value."""
    return scene.call("secret.secret_set_value", scene.uuid, f"{word} value of {scene.tag}".encode())


def define_and_set(scene: Scene) -> None:
    """Define it and give it its value."""
    define(scene)
    set_value(scene)


def clear(scene: Scene) -> None:
    """Forget it, however far it got."""
    scene.undo("secret.secret_undefine", scene.uuid)
