"""Fields of the config dataclasses: what they carry, and what all of them are held to."""

import dataclasses
import math
from typing import Any

from rcsr_jax.plain_values import check_types


def setting(default: Any, help_text: str, *, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field with its help text and, if it has any, its choices."""
    return dataclasses.field(
        default=default, metadata={"help": help_text, "choices": choices}
    )


def check_values(config: Any) -> None:
    """Raises ValueError for a field of another type, none of its choices, or not finite."""
    check_types(config)
    for field in dataclasses.fields(config):
        choices = field.metadata.get("choices")
        value = getattr(config, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{field.name} must be a finite number; got {value}.")
        if choices and value not in choices:
            raise ValueError(
                f"{field.name} must be one of {', '.join(choices)}; got {value!r}."
            )


def check_at_most(config: Any, most: float, *names: str) -> None:
    """Raises ValueError for a field of these names that is above `most`, or NaN."""
    for name in names:
        if not getattr(config, name) <= most:
            raise ValueError(
                f"{name} must be at most {most}; got {getattr(config, name)}."
            )


def check_at_least(config: Any, least: float, *names: str) -> None:
    """Raises ValueError for a field of these names that is below `least`, or NaN."""
    for name in names:
        if not getattr(config, name) >= least:
            raise ValueError(
                f"{name} must be at least {least}; got {getattr(config, name)}."
            )


def check_positive(config: Any, *names: str) -> None:
    """Checks that fields are above zero.

    Raises:
        ValueError: one is not; the message names it.
    """
    for name in names:
        value = getattr(config, name)
        if not value > 0:
            raise ValueError(f"{name} must be positive; got {value}.")
