"""Configs changed by the names of their fields, and compared."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from rcsr_jax.config.run import RunConfig


def replace_fields(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """A copy of `config` with fields replaced by name, whichever part they live in.

    Args:
        config: the run to start from.
        changes: new values by field name; names are unique over the parts of a run.

    Raises:
        ValueError: no part of a run has a field of that name.
    """
    parts: dict[str, dict[str, Any]] = {}
    owners = {
        field.name: part.name
        for part in dataclasses.fields(config)
        for field in dataclasses.fields(getattr(config, part.name))
    }
    for name, value in changes.items():
        if name not in owners:
            raise ValueError(f"no setting is called {name}.")
        parts.setdefault(owners[name], {})[name] = value
    return dataclasses.replace(
        config,
        **{
            part: dataclasses.replace(getattr(config, part), **fields)
            for part, fields in parts.items()
        },
    )


def differences(old: RunConfig, new: RunConfig) -> dict[str, tuple[Any, Any]]:
    """The settings in which two runs differ: name -> (old value, new value)."""
    found = {}
    for part in dataclasses.fields(RunConfig):
        before, after = getattr(old, part.name), getattr(new, part.name)
        for field in dataclasses.fields(before):
            pair = getattr(before, field.name), getattr(after, field.name)
            if pair[0] != pair[1]:
                found[field.name] = pair
    return found
