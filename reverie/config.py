"""Strict dataclass <-> JSON: unknown keys and wrong types are errors that suggest the nearest name."""

import dataclasses
import difflib
import json
import types
import typing
from typing import Any, TypeVar

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """A config as plain JSON values (tuples become lists)."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_dict(kind: type[T], values: dict[str, Any]) -> T:
    """Build the dataclass `kind` from JSON values. ValueError names an unknown or missing key or a wrong type."""
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise ValueError(f"{kind.__name__} has no field {key!r}{did_you_mean(key, fields)}")
    missing = [n for n, f in fields.items() if n not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING]
    if missing:
        raise ValueError(f"{kind.__name__} needs the field {missing[0]!r}")
    return kind(**{key: _convert(f"{kind.__name__}.{key}", hints[key], value) for key, value in values.items()})


def override(config: T, assignments: list[str]) -> T:
    """A copy of `config` with `name=value` (or `part.name=value`) assignments applied; values are JSON or bare words."""
    values = to_dict(config)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise ValueError(f"override {assignment!r}: write name=value")
        target = values
        *parents, name = path.split(".")
        for parent in parents:
            if not isinstance(target.get(parent), dict):
                raise ValueError(f"override {assignment!r}: no part {parent!r}{did_you_mean(parent, target)}")
            target = target[parent]
        if name not in target:
            raise ValueError(f"override {assignment!r}: no field {name!r}{did_you_mean(name, target)}")
        try:
            target[name] = json.loads(text)
        except json.JSONDecodeError:
            target[name] = text
    return from_dict(type(config), values)


def did_you_mean(word: str, known: Any) -> str:
    """'; did you mean ...?' for the nearest of `known`, else what is known."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"


def _convert(name: str, hint: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(name, next(a for a in arguments if a is not type(None)), value)
    if origin is tuple and isinstance(value, list):
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) == len(value):
            return tuple(_convert(name, kind, item) for kind, item in zip(kinds, value, strict=True))
    elif origin is typing.Literal:
        if value in arguments:
            return value
    elif dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return from_dict(typing.cast(type, hint), value)
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"{name} is {value!r}: {getattr(hint, '__name__', None) if origin is None else hint} is needed")
