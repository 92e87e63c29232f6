"""Four CPU devices for every test, and no silent broadcasting between ranks."""

import os
import signal

# also where there is a GPU: bits are compared here, and four devices are made of a CPU
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np
import pytest

# Compiling takes most of the time of the tests, and most of that are optimisations and an
# emitter that their tiny models gain nothing by; programs that they start inherit this.
# `make demo` and the wheel's check run as a user's do. XLA ends a process whose flag it
# does not know, and whether later ones know the second is not said.
_FLAGS = ["--xla_backend_optimization_level=0"]
if jax.__version_info__ < (0, 12):
    _FLAGS.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(_FLAGS))
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """Programs that several tests compile are compiled by the first of them."""
    folder = tmp_path_factory.getbasetemp().parent / "rcsr_jax_compiled"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


@pytest.fixture(scope="module", autouse=True)
def programs_let_go():
    """A process may map 65,530 pieces of memory, and each program takes some tens."""
    yield
    jax.clear_caches()


# Files that take minutes, longest first: begun last, one would end on one core alone.
_LONGEST = (
    *("hosts", "training", "programs", "kill", "bulk_kill", "docs", "predict_program"),
    *("model", "benchmark", "load", "prepare", "resampling", "process", "divergence"),
    *("convolutions", "paper", "demo", "inference", "evaluation", "updates", "answers"),
)


def pytest_collection_modifyitems(items):
    """The order in which workers take files."""
    place = {f"{name}_test": number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture(scope="module")
def few_replicates():
    """Stopping rules measured on 32 faces; `validation_test` has the 256."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rcsr_jax.validation._REPLICATES", 32)
        yield


@pytest.fixture(scope="module")
def params():
    """Parameters of the model of `five`, which move its points."""
    from five import random_params  # whose imports wait for the settings above

    return random_params()


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """Three crops of noise for the model of `five`."""
    return np.random.default_rng(5).integers(0, 256, (3, 32, 32), np.uint8)


@pytest.fixture
def hang_ups_heard():
    """Programs of a test hear SIGHUP, also where the tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def generator() -> np.random.Generator:
    """Randomness of a test: the same at every run."""
    return np.random.default_rng(0)
