"""Flags made from the config dataclasses.

The default and the help text of a flag are those of the field it sets; a flag that is not
given leaves the preset's value alone.
"""

import dataclasses
import typing
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from rcsr_jax import weights
from rcsr_jax.boxes import BoxMap, read_box_map
from rcsr_jax.config import PRESETS, DataConfig, RunConfig, preset, replace_fields
from rcsr_jax.markup import Markup, read_markup

flags.disclaim_key_flags()  # a flag belongs to the program that asks for it

# What programs judge on where the command line does not say.
TEST_FACES = DataConfig(split="test", drawn_faces=200)
_READ = ("boxes", "split", "drawn_faces", "strict")  # of a DataConfig, and the data
_FILES: dict[str, Callable[[str], Any]] = {
    "markup": read_markup,
    "detector_boxes": read_box_map,
}
_DEFINE: dict[Any, Callable[..., flags.FlagHolder]] = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    bool: flags.DEFINE_boolean,
}


def define_flags(
    *parts: Any,
    only: Container[str] | None = None,
    without: Container[str] = (),
    unless: str = "",
) -> dict[str, flags.FlagHolder]:
    """A flag for each field of config dataclasses; none is set unless it is given.

    Args:
        parts: dataclasses such as `TrainConfig`, or objects of them that hold other
            defaults.
        only: names of the fields that get one; None: all.
        without: names of those that get none.
        unless: what else may set the fields, told behind their defaults.
    """
    holders = {}
    for part in parts:
        kinds = typing.get_type_hints(part if isinstance(part, type) else type(part))
        for field in dataclasses.fields(part):
            if float in typing.get_args(kinds[field.name]):
                continue  # measured, not typed
            if (only is not None and field.name not in only) or field.name in without:
                continue
            default = f"(default: {_shown(getattr(part, field.name))}{unless})"
            holders[field.name] = _define(field, kinds[field.name], default)
    return holders


def define_run_flags(
    *parts: type, without: Container[str] = ()
) -> Callable[[], RunConfig]:
    """Flags for the named presets and for the fields of config dataclasses.

    Args:
        parts: dataclasses that a run is made of.
        without: names of fields that mean nothing to the program, and get no flag.

    Returns:
        what makes the run of --preset, with the flags that were given in place of its
        values; it raises ValueError where a value does not fit.
    """
    named = flags.DEFINE_enum(
        "preset", "base", list(PRESETS), "Named run to start from."
    )
    holders = define_flags(
        *parts, without=without, unless=", unless the preset differs"
    )
    return lambda: replace_fields(preset(named.value), _given(holders))


def define_model_flags() -> Callable[[], str | Path]:
    """Flags for a trained model, or one that comes with the package.

    Returns:
        what gives the model that --checkpoint and --preset name; it raises ValueError
        where both are given.
    """
    checkpoint = flags.DEFINE_string(
        "checkpoint",
        None,
        "Work folder, checkpoint, exported folder, weights file, or the name of weights "
        "that come with the package, which are taken by default.",
    )
    named = flags.DEFINE_string(
        "preset", None, "Which of these weights to take, in place of base."
    )
    return lambda: weights.model_source(checkpoint.value, preset=named.value)


def define_data_flags(
    default: DataConfig, *, several: bool = False
) -> Callable[[], DataConfig]:
    """Flags for annotated faces that are read as they are, not trained on.

    Args:
        default: the values of what is not given. The data must be.
        several: the program takes several data sets, with commas.

    Returns:
        what gives the data; it raises ValueError where a value does not fit.
    """
    holders = define_flags(default, only=_READ)
    holders["data"] = flags.DEFINE_string(
        "data",
        None,
        "Folder of annotated photos, file of landmarks (JSON, COCO, CSV, dlib XML), or "
        "'drawn' for the built-in drawn faces." + several * " Several: with commas.",
        required=True,
    )
    return lambda: dataclasses.replace(default, **_given(holders))


def define_num_steps() -> flags.FlagHolder:
    """A flag for a fixed number of recurrences; None: each face stops by itself."""
    return flags.DEFINE_integer(
        "num_steps",
        None,
        "Recurrences; by default each face stops by itself.",
        lower_bound=1,
    )


def whole_numbers(name: str, words: Sequence[str], *, least: int) -> list[int]:
    """The numbers of a flag that takes several, with commas.

    Raises:
        ValueError: one is no whole number, or below the least.
    """
    try:
        numbers = [int(word) for word in words]
    except ValueError as error:
        raise ValueError(f"--{name} takes whole numbers; got {words}.") from error
    if min(numbers, default=least) < least:
        raise ValueError(f"--{name} must be at least {least}; got {words}.")
    return numbers


def _given(holders: dict[str, flags.FlagHolder]) -> dict[str, Any]:
    return {
        name: _read(name, holder.value)
        for name, holder in holders.items()
        if holder.value is not None
    }


def _shown(default: Any) -> str:
    if isinstance(default, Markup):
        return default.name
    if isinstance(default, BoxMap):
        return "that of the shipped models"
    return str(default) if default != "" else "none"


def _define(field: dataclasses.Field, kind: Any, default: str) -> flags.FlagHolder:
    help_text = f"{field.metadata['help']} {default}"
    if field.metadata["choices"]:
        return flags.DEFINE_enum(
            field.name, None, list(field.metadata["choices"]), help_text
        )
    if kind in (Markup, BoxMap):
        return flags.DEFINE_string(field.name, None, f"{help_text} A JSON file.")
    define = _DEFINE.get(kind)
    if define is None:
        return flags.DEFINE_list(field.name, None, f"{help_text} With commas.")
    return define(field.name, None, help_text)


def _read(name: str, value: Any) -> Any:
    if name in _FILES:
        return _FILES[name](value)
    if isinstance(value, list):
        try:
            return tuple(int(item) for item in value)
        except ValueError as error:
            raise ValueError(f"--{name} takes whole numbers; got {value}.") from error
    return value
