"""Four CPU devices for every test, and no silent broadcasting between ranks."""

import jax
import numpy as np
import pytest

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def generator() -> np.random.Generator:
    """Randomness of a test: the same at every run."""
    return np.random.default_rng(0)
