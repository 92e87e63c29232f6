"""Which device has what: the faces of a batch shared out, all else a copy on each."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rcsr_jax.config import RunConfig

AXIS = "data"  # of the devices


def places_of(config: RunConfig, *, devices: Sequence[jax.Device]) -> np.ndarray:
    """Which places of a batch each device has: int32 [devices, faces of each].

    Raises:
        ValueError: the batch cannot be shared out evenly.
    """
    batch_size = config.train.batch_size
    if batch_size % len(devices):
        raise ValueError(
            f"batch_size must be a multiple of the {len(devices)} devices; got "
            f"{batch_size}. CUDA_VISIBLE_DEVICES=0,1 in the environment takes some of "
            "several GPUs."
        )
    return np.arange(batch_size, dtype=np.int32).reshape(len(devices), -1)


def own_places(config: RunConfig, *, devices: Sequence[jax.Device]) -> np.ndarray:
    """The rows of `places_of` that belong to devices of this process."""
    here = [device.process_index == jax.process_index() for device in devices]
    return places_of(config, devices=devices)[here]


def on_every_device(tree: Any, devices: Sequence[jax.Device]) -> Any:
    """The arrays of a pytree, which every process has, a copy on each device."""
    everywhere = NamedSharding(mesh_of(devices), PartitionSpec())
    if not everywhere.is_fully_addressable:
        return jax.tree.map(
            lambda leaf: jax.make_array_from_process_local_data(
                everywhere, np.asarray(leaf)
            ),
            tree,
        )
    return jax.device_put(tree, everywhere)


def shared_out(tree: Any, devices: Sequence[jax.Device]) -> Any:
    """The arrays [devices of this process, ...] of a pytree, to each device its own."""
    shares = sharding_of_shares(devices)
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(shares, leaf), tree
    )


def sharding_of_shares(devices: Sequence[jax.Device]) -> NamedSharding:
    """Where `shared_out` puts arrays."""
    return NamedSharding(mesh_of(devices), PartitionSpec(AXIS))


def mesh_of(devices: Sequence[jax.Device]) -> Mesh:
    """The devices in a row."""
    return Mesh(np.array(devices), (AXIS,))
