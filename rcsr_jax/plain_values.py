"""Frozen dataclasses to and from plain JSON values."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from rcsr_jax.markup import Markup


def to_dict(config: Any) -> dict[str, Any]:
    """A config as plain JSON values; `from_dict` reads it back.

    Args:
        config: a dataclass, such as a `RunConfig` or one of its parts.
    """
    return dataclasses.asdict(config)


def from_dict(kind: type, fields: Mapping[str, Any]) -> Any:
    """The config of class `kind` that `to_dict` wrote; missing fields take defaults.

    Raises:
        ValueError: a field is unknown or its value does not fit.
    """
    if not isinstance(fields, Mapping):
        raise ValueError(f"{kind.__name__} must be an object; got {fields!r}.")
    if kind is Markup:
        return Markup.from_dict(fields)
    known = typing.get_type_hints(kind)
    if unknown := sorted(set(fields) - set(known)):
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}.")
    return kind(**{name: _value(known[name], name, v) for name, v in fields.items()})


def check_types(config: Any) -> None:
    """Checks the fields of a dataclass against the types that it declares.

    Raises:
        ValueError: naming the first field that is of another type. A whole number is
            taken for a float.
    """
    for name, kind in typing.get_type_hints(type(config)).items():
        _check_type(kind, name, getattr(config, name))


def _value(kind: Any, name: str, value: Any) -> Any:
    """What a JSON value stands for."""
    if dataclasses.is_dataclass(kind):
        return from_dict(typing.cast(type, kind), value)
    if isinstance(kind, types.GenericAlias):
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{name} must be a list; got {value!r}.")
        return tuple(_value(typing.get_args(kind)[0], name, item) for item in value)
    _check_type(kind, name, value)
    if kind is float:
        try:
            return float(value)
        except OverflowError as error:
            raise ValueError(f"{name} is too large a number.") from error
    return value


def _check_type(kind: Any, name: str, value: Any) -> None:
    if isinstance(kind, types.GenericAlias):
        if not isinstance(value, tuple):
            raise ValueError(f"{name} must be a tuple; got {value!r}.")
        for item in value:
            _check_type(typing.get_args(kind)[0], name, item)
        return
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name} must be {kind.__name__}; got {value!r}.")
