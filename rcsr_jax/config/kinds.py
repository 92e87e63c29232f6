"""Which of the two configs a function is given: they are easily taken for each other."""

from typing import Any

from rcsr_jax.config.model import ModelConfig
from rcsr_jax.config.run import RunConfig


def check_model_config(config: Any) -> None:
    """Checks that this is the settings of a model.

    Raises:
        ValueError: it is something else; the message tells where to find them.
    """
    _check(config, ModelConfig, "such as the model of a RunConfig")


def check_run_config(config: Any) -> None:
    """Checks that this is a whole run.

    Raises:
        ValueError: it is something else; the message tells where to find one.
    """
    _check(
        config, RunConfig, "as load_params and preset give it, or RunConfig(model=...)"
    )


def _check(config: Any, kind: type, where: str) -> None:
    if not isinstance(config, kind):
        given = type(config).__name__
        raise ValueError(f"config must be a {kind.__name__}, {where}; got {given}.")
