"""NumPy or JAX: functions of arrays that compute with whatever they are given."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def namespace_of(*arrays: Any) -> Any:
    """What computes with these arrays: `jax.numpy` where one of them is JAX's, or NumPy."""
    return jnp if any(isinstance(array, jax.Array) for array in arrays) else np
