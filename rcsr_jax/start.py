"""What a run starts from."""

import jax

from rcsr_jax import checkpoint
from rcsr_jax.confidence import MEASURED
from rcsr_jax.config import RunConfig, differences
from rcsr_jax.model import Params

# What a network may be trained on with: everything else decides what its numbers mean.
_FREE = {
    "markup",  # what it is called; its landmarks are the same
    "num_steps",
    "max_steps",
    "tolerance",
    "increment_norm",
    *MEASURED,
    "detector_boxes",
    "compute_dtype",
    "sampling",
    "position_gradient",
    "mirror_average",
}


def given_params(config: RunConfig) -> Params | None:
    """The parameters that a run is given to start from: the mean of `init_from`.

    The mean of runs that went on from the same parameters is often better than each of
    them (Wortsman et al., Model soups, ICML 2022); of others it is worth nothing.

    Args:
        config: the run.

    Returns:
        Parameters, the mean shape among them; None: it starts from fresh ones.

    Raises:
        ValueError: `init_from` cannot be read or is another network; the message names it.
    """
    if not config.train.init_from:
        return None
    every = [_load(source, config) for source in config.train.init_from.split(",")]
    return jax.tree.map(lambda *leaves: sum(leaves) / len(leaves), *every)


def _load(source: str, config: RunConfig) -> Params:
    """The parameters of a checkpoint, if its network is that of the run."""
    params, run = checkpoint.load_params(source)
    theirs, ours = run.model.markup, config.model.markup
    if not theirs.same_landmarks(ours):
        raise ValueError(
            f"init_from={source} finds the {theirs.num_points} landmarks of {theirs.name}, "
            f"not the {ours.num_points} of {ours.name}, and such a network cannot start "
            "another: leave init_from out."
        )
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
    return params
