"""Four CPU devices for every test, and no silent broadcasting between ranks."""

import jax
import numpy as np
import pytest

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """Programs that several tests compile are compiled by the first of them."""
    folder = tmp_path_factory.getbasetemp().parent / "rcsr_jax_compiled"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


@pytest.fixture
def generator() -> np.random.Generator:
    """Randomness of a test: the same at every run."""
    return np.random.default_rng(0)
