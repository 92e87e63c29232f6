"""Which of the two configs a function is given: they are easily taken for each other."""

from typing import Any

from rcsr_jax.config.model import ModelConfig
from rcsr_jax.config.run import RunConfig


def check_model_config(config: Any) -> None:
    """Checks that this is the settings of a model.

    Raises:
        ValueError: it is something else; the message tells where to find them.
    """
    if not isinstance(config, ModelConfig):
        raise ValueError(
            "config must be a ModelConfig, such as the model of a RunConfig; got "
            f"{type(config).__name__}."
        )


def check_run_config(config: Any) -> None:
    """Checks that this is a whole run.

    Raises:
        ValueError: it is something else; the message tells where to find one.
    """
    if not isinstance(config, RunConfig):
        raise ValueError(
            "config must be a RunConfig, as load_params and preset give it, or "
            f"RunConfig(model=...); got {type(config).__name__}."
        )
