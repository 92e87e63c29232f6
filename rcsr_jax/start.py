"""What a run starts from: given parameters, or those of them that see the picture."""

from collections.abc import Mapping
from typing import Any

import jax

from rcsr_jax import checkpoint
from rcsr_jax.confidence import MEASURED
from rcsr_jax.config import RunConfig, differences
from rcsr_jax.geometry import enlarged
from rcsr_jax.model import Params

# What a network may be trained on with: everything else decides what its numbers mean.
_FREE = {
    "markup",  # what it is called, or what is looked for in the same picture
    "crop_size",  # a finer picture of the same face; the mean shape goes with it
    "num_steps",
    "max_steps",
    "max_looks",
    "mirrored_look",
    "tolerance",
    "increment_norm",
    *MEASURED,
    "detector_boxes",
    "compute_dtype",
    "sampling",
    "position_gradient",
    "mirror_average",
}
# The parts of a network that know nothing of its landmarks, but what they end in.
_SEEING, _MARKS = ("features", "context"), "last"


def given_params(config: RunConfig) -> Params | None:
    """The parameters that a run is given to start from: the mean of `init_from`.

    The mean of runs that went on from the same parameters is often better than each of
    them (Wortsman et al., Model soups, ICML 2022); of others it is worth nothing. A model
    of other landmarks gives what sees the picture: its local features, and its pyramid but
    for the marks. From crops of another size the mean shape is enlarged with the crop.

    Args:
        config: the run.

    Returns:
        Parameters, the mean shape among them, or some of them; None: it starts from fresh
        ones.

    Raises:
        ValueError: `init_from` cannot be read, is another network, or names models of
            these and of other landmarks together; the message names it.
    """
    if not config.train.init_from:
        return None
    sources = [source.strip() for source in config.train.init_from.split(",")]
    every = [_load(source, config) for source in sources]
    if len({is_whole(params) for params in every}) > 1:
        raise ValueError(
            f"init_from={config.train.init_from} names models of the landmarks of "
            f"{config.model.markup.name} and of others: give one kind."
        )
    return jax.tree.map(lambda *leaves: sum(leaves) / len(leaves), *every)


def is_whole(given: Params) -> bool:
    """Whether all parameters are given, not only those that see the picture."""
    return "mean_shape" in given


def completed(given: Mapping[str, Any], fresh: Mapping[str, Any]) -> Params:
    """Fresh parameters, with those that were given in their places."""
    return {
        name: completed(given.get(name, {}), part)
        if isinstance(part, Mapping)
        else given.get(name, part)
        for name, part in fresh.items()
    }


def _load(source: str, config: RunConfig) -> Params:
    """The parameters of a checkpoint, if its network is that of the run."""
    params, run = checkpoint.load_params(source)
    other = {
        name: pair
        for name, pair in differences(
            RunConfig(model=run.model), RunConfig(model=config.model)
        ).items()
        if name not in _FREE
    }
    if other:
        told = ", ".join(
            f"{name} is {old}, not {new}" for name, (old, new) in other.items()
        )
        raise ValueError(f"init_from={source} is another network: {told}.")
    if run.model.markup.same_landmarks(config.model.markup):
        finer = config.model.crop_size / run.model.crop_size
        return {**params, "mean_shape": enlarged(params["mean_shape"], finer)}
    seeing = {
        part: {
            name: layer
            for name, layer in params["network"][part].items()
            if name != _MARKS
        }
        for part in _SEEING
        if part in params["network"]
    }
    return {"network": seeing}
