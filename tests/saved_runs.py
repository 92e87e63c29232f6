"""A run of six saved steps, and parameters that tell which of them they are of."""

import jax
import jax.numpy as jnp
import numpy as np
import tiny

from rcsr_jax import resumption
from rcsr_jax.config import RunConfig, replace_fields

RUN = RunConfig(model=tiny.CONFIG)
PARAMS = tiny.make_params()


def assert_same(left, right):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    jax.tree.map(np.testing.assert_array_equal, left, right)


def training_of(step: int) -> dict:
    """What a run goes on from, small."""
    return {"step": jnp.asarray(step, jnp.int32), "moments": jnp.arange(3.0) * step}


def scaled(factor: float) -> dict:
    return jax.tree.map(lambda leaf: (leaf * factor).astype(np.float32), PARAMS)


def save_run(folder):
    """Saves a run of six checkpoints whose second was the best."""
    with resumption.open_manager(folder) as manager:
        for step, error in enumerate([5.0, 3.0, 4.0, 6.0, 7.0, 8.0], start=1):
            resumption.save_step(
                manager,
                10 * step,
                params=scaled(step),
                training=training_of(10 * step),
                config=replace_fields(RUN, {"tolerance": step / 100}),
                nme=error,
            )
        manager.wait_until_finished()
