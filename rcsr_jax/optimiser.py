"""How gradients change parameters: Adam or the paper's SGD, steadied and guarded."""

import math
from typing import Any

import jax
import numpy as np
import optax
from jax import Array

from rcsr_jax.config import TrainConfig
from rcsr_jax.model import Params

_VIEWS = 6  # of a face in an epoch of the paper: it and its mirror image in three boxes
_STEADY_INPUTS = 4096  # of a layer of the memory, up to which it takes the whole rate


def make_optimiser(
    config: TrainConfig, *, num_faces: int
) -> optax.GradientTransformation:
    """The optimiser of a run; it leaves everything as it is where a gradient is not finite.

    Args:
        config: which, and how fast.
        num_faces: in the training set; the paper's schedule counts epochs, in which each
            face is seen six times.
    """
    if config.optimiser == "sgd":
        epoch = max(_VIEWS * num_faces // config.batch_size, 1)
        rate = optax.exponential_decay(
            config.learning_rate,
            transition_steps=config.halving_epochs * epoch,
            decay_rate=0.5,
            staircase=True,
        )
        update = optax.sgd(rate, momentum=0.9)
    else:
        warmup = min(config.warmup_updates, config.num_updates // 4)
        rate = optax.warmup_cosine_decay_schedule(
            config.learning_rate / max(warmup, 1),
            config.learning_rate,
            warmup_steps=warmup,
            decay_steps=config.num_updates,
        )
        update = optax.chain(
            optax.adamw(rate, weight_decay=config.weight_decay, mask=_decayed_leaves),
            optax.stateless(_steadied),
        )
    if config.clip_norm > 0:
        update = optax.chain(optax.clip_by_global_norm(config.clip_norm), update)
    # one bad gradient would spoil the parameters and both moments for good
    return optax.apply_if_finite(update, max_consecutive_errors=np.iinfo(np.int32).max)


def _steadied(changes: Params, params: Params | None) -> Params:
    """Smaller changes to the layers of the memory, and on top of it, with many inputs.

    Adam moves every weight by the rate, whatever its gradient. Where inputs share their
    sign, as HOG and a ReLU without biases do, ten thousand of them pull together: gates
    would be driven into saturation within a few updates, the same for every face, and
    stay there.
    """

    def steady(path: Any, change: Array) -> Array:
        inputs = math.prod(change.shape[:-1])
        of_memory = path[0].key.startswith(("cell", "dense"))
        share = min(1.0, _STEADY_INPUTS / inputs) if of_memory else 1.0
        return change if share == 1 else change * share

    network = changes["network"]
    return changes | {"network": jax.tree.map_with_path(steady, network)}


def _decayed_leaves(params: Params) -> Any:
    """Kernels decay; biases and the measured mean shape do not."""
    return {
        "network": jax.tree.map(lambda leaf: leaf.ndim > 1, params["network"]),
        "mean_shape": False,
    }
