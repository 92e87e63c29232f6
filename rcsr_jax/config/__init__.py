"""What a run is made of: frozen dataclasses of plain values, presets, to and from JSON.

Every field carries its own help text, so that the command line flags, the error messages
and the documentation are made from one place. A config is hashable: it is a static
argument of the jitted functions.
"""

from rcsr_jax.config.conversion import differences, replace_fields
from rcsr_jax.config.kinds import check_model_config, check_run_config
from rcsr_jax.config.model import ModelConfig
from rcsr_jax.config.presets import PRESETS, preset
from rcsr_jax.config.run import AugmentConfig, DataConfig, RunConfig, TrainConfig
from rcsr_jax.plain_values import from_dict, to_dict

__all__ = [
    "PRESETS",
    "AugmentConfig",
    "DataConfig",
    "ModelConfig",
    "RunConfig",
    "TrainConfig",
    "check_model_config",
    "check_run_config",
    "differences",
    "from_dict",
    "preset",
    "replace_fields",
    "to_dict",
]
