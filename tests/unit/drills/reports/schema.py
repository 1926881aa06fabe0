"""As much of JSON Schema as the report's schema uses: enough to hold a report against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
KNOWN = {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "minimum", "$schema", "$id", "title"}


def mistakes(value: Any, schema: dict[str, Any], path: str = "$") -> Iterator[str]:
    """List what does not fit."""
    assert set(schema) <= KNOWN, f"a keyword that this does not know: {set(schema) - KNOWN}"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and (isinstance(value, bool) or not any(isinstance(value, TYPES[kind]) for kind in kinds)):
        yield f"{path}: {value!r:.60} is no {kinds}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{path}: {value} is below {schema['minimum']}"
    if "anyOf" in schema and all(list(mistakes(value, each, path)) for each in schema["anyOf"]):
        yield f"{path}: fits none of the alternatives"
    if isinstance(value, dict):
        yield from _of_object(value, schema, path)
    if isinstance(value, list) and "items" in schema:
        for number, each in enumerate(value):
            yield from mistakes(each, schema["items"], f"{path}[{number}]")


def _of_object(value: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{path}: {name} is missing"
    more = schema.get("additionalProperties", True)
    for name, each in value.items():
        if name in properties:
            yield from mistakes(each, properties[name], f"{path}.{name}")
        elif more is False:
            yield f"{path}: {name} is not known"
        elif isinstance(more, dict):
            yield from mistakes(each, more, f"{path}.{name}")
