"""The operations of the secret driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.kill_points.operation import Operation, Scene

if TYPE_CHECKING:
    from tierhost.drills.kill_points.operation import Step

UUID: Final = "@uuid"
TAG: Final = "@tag"


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


def kill_and_look(scene: Scene) -> Any:
    """Have the driver initialize: by the death of the life before."""
    scene.kill("secret")
    return scene.ask("secret.secret_lookup_by_uuid", scene.uuid)


def reload(scene: Scene) -> Any:
    """Have the driver look at everything again."""
    scene.site.client.host("reload", "secret")
    return scene.ask("secret.secret_lookup_by_uuid", scene.uuid)


def _change(name: str, call: Step, prepare: Step) -> Operation:
    return Operation(f"secret.{name}", call, view, prepare, clear)


def _question(name: str, *args: Any) -> Operation:
    def call(scene: Scene) -> Any:
        words = {UUID: scene.uuid, TAG: scene.tag}
        answer = scene.ask(f"secret.{name}", *(words.get(arg, arg) for arg in args))
        return [row for row in answer if row["uuid"] == scene.uuid] if name == "secret_list" else answer

    return Operation(f"secret.{name}", call, view, define_and_set, clear, changes=False)


OPERATIONS: Final = (
    Operation("secret.secret_define_xml", define, view, clear=clear),
    _change(
        "secret_define_xml:again", lambda scene: scene.call("secret.secret_define_xml", xml_of(scene, "second")), define_and_set
    ),
    _change(
        "secret_define_xml:ephemeral",
        lambda scene: scene.call("secret.secret_define_xml", xml_of(scene, ephemeral=True)),
        define_and_set,
    ),
    _change("secret_set_value", set_value, define),
    _change("secret_set_value:again", lambda scene: set_value(scene, "new"), define_and_set),
    _change("secret_undefine", lambda scene: scene.call("secret.secret_undefine", scene.uuid), define_and_set),
    _question("secret_list"),
    _question("secret_lookup_by_uuid", UUID),
    _question("secret_lookup_by_usage", "ceph", TAG),
    _question("secret_get_xml_desc", UUID),
    _question("secret_get_value", UUID),
    Operation("secret.state_initialize", kill_and_look, view, define_and_set, clear, changes=False, own_lives=1),
    Operation(
        "secret.get_value",
        lambda scene: scene.call("asker.ask", "secret", "get_value", {"uuid": scene.uuid}),
        view,
        define_and_set,
        clear,
        changes=False,
    ),
    Operation("secret.state_reload", reload, view, define_and_set, clear, changes=False),
)
