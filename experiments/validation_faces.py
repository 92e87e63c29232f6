"""The faces that the run of a model held out of training, to measure it on."""

import os
from collections.abc import Sequence
from typing import TypeVar

from absl import flags

from rcsr_jax.config import DataConfig
from rcsr_jax.data.held_out import HasName, hold_out
from rcsr_jax.data.sources import last_names_of, names_of

flags.disclaim_key_flags()  # it belongs to the program that asks for it

Face = TypeVar("Face", bound=HasName)


def define_held_out() -> flags.FlagHolder:
    """The flag for how many faces there are; None: as many as the model tells."""
    return flags.DEFINE_integer(
        "validation_faces",
        None,
        "Faces that the run held out of training; by default as many as the model tells.",
        lower_bound=1,
    )


def held_out(
    faces: Sequence[Face], *, count: int, instead: str = ""
) -> tuple[Face, ...]:
    """The faces that a run with these faces held out of training.

    Args:
        faces: of the training folders.
        count: that it held out.
        instead: what else may be done where there are too few.

    Raises:
        ValueError: there are not as many and others.
    """
    if not 0 < count < len(faces):
        raise ValueError(
            f"--validation_faces must be at least 1 and below the {len(faces)} faces of "
            f"the training folders; got {count}.{instead and ' '}{instead}"
        )
    return hold_out(faces, count=count)[1]


def note_of_further_data(name: str, run: DataConfig) -> str:
    """What to know of a data set of which a run held out nothing; empty: nothing.

    Args:
        name: of the data set.
        run: what the run was trained on; it holds out faces of its first data set alone.
    """
    first, *further = map(os.path.abspath, names_of(run) + last_names_of(run))
    place = os.path.abspath(name)  # noqa: PTH100
    if place == first or place not in further:
        return ""
    return (
        f"the model was trained on all faces of {name}, those measured here among them: "
        f"its run held out faces of {names_of(run)[0]} alone."
    )
