"""What the benchmark times of this package, on random crops that lie on the device."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rcsr_jax import sharing, updates
from rcsr_jax.answers import predict
from rcsr_jax.config import ModelConfig, preset, replace_fields
from rcsr_jax.data.batches import TrainingSet
from rcsr_jax.data.crops import cached_size
from rcsr_jax.feed import feed
from rcsr_jax.model import Params, init_params
from rcsr_jax.optimiser import make_optimiser

from .process import num_cores
from .timing import Row

OURS = "rcsr_jax"
REQUIRED_BATCH, REQUIRED_STEPS = 32, (5, 13)
# Of matrices whose product takes much longer than to start it.
_MATMUL_SIDE_OF_CPU, _MATMUL_SIDE = 2048, 8192
_LARGEST_PATCHES = 64  # the paper's order needs a gigabyte and more beyond
_TRAINING_FACES, _TRAINING_STEPS = 256, 5


def samplings_of(name: str, wanted: Sequence[str]) -> list[str]:
    """The orders in which a preset is measured.

    One made for patches has but that one, and one that sees the whole crop has planes.
    """
    model = preset(name).model
    in_patches = not model.context_widths
    return [
        sampling
        for sampling in wanted
        if sampling == model.sampling or (sampling == "patches" and in_patches)
    ]


def model_of(name: str, sampling: str) -> ModelConfig:
    """The model of a preset in an order."""
    return dataclasses.replace(preset(name).model, sampling=sampling)


def prediction_groups(
    presets: Sequence[str],
    samplings: Sequence[str],
    *,
    batches: Sequence[int],
    steps: Sequence[int],
) -> list[list[Row]]:
    """Rows of prediction by rising batch, a list for each preset, order and step count."""
    groups = []
    for name in presets:
        for sampling in samplings_of(name, samplings):
            model = model_of(name, sampling)
            params = random_params(model)
            for num_steps in sorted({*steps, *REQUIRED_STEPS}):
                groups.append(
                    [
                        _prediction(name, model, params, batch, num_steps)
                        for batch in sorted({*batches, REQUIRED_BATCH})
                        if sampling == "planes" or batch <= _LARGEST_PATCHES
                    ]
                )
    return groups


def training_row(name: str, sampling: str, *, batch: int) -> Row:
    """One update after the other; its first call compiles."""
    devices = jax.local_devices()
    changes = {"sampling": sampling, "batch_size": batch, "num_steps": _TRAINING_STEPS}
    config = replace_fields(preset(name), changes)
    optimiser = make_optimiser(config.train, num_faces=_TRAINING_FACES)
    update = updates.parallel_update(
        config=config, optimiser=optimiser, devices=devices
    )
    random = np.random.default_rng(0)
    side = cached_size(config.model, config.data)
    shape = (_TRAINING_FACES, config.model.num_points, 2)
    faces = TrainingSet(
        random.integers(0, 256, (_TRAINING_FACES, side, side), np.uint8),
        random.uniform(side / 3, 2 * side / 3, shape).astype(np.float32),
    )
    batches = feed(faces, 0, config=config, devices=devices)
    start = updates.init_state(random_params(config.model), optimiser=optimiser)
    state = sharing.on_every_device(start, devices)

    def call() -> Any:
        nonlocal state  # an update may take the memory of the state that it is given
        state, logged = update(state, next(batches))
        return state, logged

    def prepare() -> dict[str, Any]:
        jax.block_until_ready(call())
        return {}

    fields = {
        "preset": name,
        "sampling": sampling,
        "num_steps": _TRAINING_STEPS,
        "batch": batch,
        "devices": len(devices),
        "threads": num_cores(),
    }
    return Row(fields, call, batch, prepare)


def matmul_side() -> int:
    """Rows and columns of the matrices of `matmul_row`."""
    return _MATMUL_SIDE_OF_CPU if jax.default_backend() == "cpu" else _MATMUL_SIDE


def matmul_row() -> Row:
    """The machine's matrix product, which the share of its rate is measured by."""
    square = jax.random.normal(jax.random.key(0), (matmul_side(), matmul_side()))
    product = jax.jit(jnp.matmul)
    return Row({}, lambda: product(square, square), 1)


def random_params(model: ModelConfig) -> Params:
    """Fresh parameters around a random mean shape."""
    shape = np.random.default_rng(0).uniform(0.2, 0.8, (model.num_points, 2))
    return init_params(
        jax.random.key(0), config=model, mean_shape=shape * model.crop_size
    )


def _prediction(
    name: str, model: ModelConfig, params: Params, batch: int, num_steps: int
) -> Row:
    size = (batch, model.crop_size, model.crop_size)
    crops = jnp.asarray(np.random.default_rng(0).integers(0, 256, size, np.uint8))
    options = {"config": model, "num_steps": num_steps}

    def prepare() -> dict[str, Any]:
        used = predict.lower(params, crops, **options).compile().memory_analysis()
        if used is None:  # not every backend tells
            return {}
        return {
            "program_megabytes": (used.temp_size_in_bytes + used.output_size_in_bytes)
            / 1e6
        }

    fields = {
        "name": OURS,
        "preset": name,
        "sampling": model.sampling,
        "batch": batch,
        "num_steps": num_steps,
        "threads": num_cores(),
    }
    return Row(
        fields,
        functools.partial(predict, params, crops, **options),
        batch,
        prepare,
        always=batch == REQUIRED_BATCH,
    )
