"""Named runs."""

from typing import Any

from rcsr_jax.config.conversion import replace_fields
from rcsr_jax.config.run import RunConfig

# One speed/accuracy curve: fast < base < large. The fine maps of the SRCNN tell where an
# edge lies, the pyramid what part of the face it belongs to: without it a landmark that
# lies far from the mean shape is not seen at first.
_WITH_CONTEXT = {
    "frame_scale": 1.4,
    "cache_margin": 1.6,
    "pixel": 2,
    "patch_size": 25,
    "rotation": 15.0,
    "own_marks": True,
    "max_looks": 3,
    "heatmap_weight": 0.05,
    # a step learns to move from where it is, not to please the steps behind it: better
    # after a thousand updates and in runs from weights that exist, and a little quicker
    "position_gradient": False,
    # as far in half of the updates as Adam; with less decay of weights it overfits
    "optimiser": "muon",
    "learning_rate": 2e-3,
    "weight_decay": 0.1,
}
# A closer frame is a finer picture of the face, and two looks see it twice.
_TWO_LOOKS = {"frame_scale": 1.2, "looked_again": 0.75, "mirrored_look": True}
# Fields that differ from the defaults, which are the paper's net on one plane.
_PRESETS: dict[str, dict[str, Any]] = {
    "base": {
        **_WITH_CONTEXT,
        **_TWO_LOOKS,
        "crop_size": 128,
        "filters": (32, 16, 2),
        "context_widths": (32, 48, 128, 160),
        "context_blocks": (1, 2, 2),
        "num_updates": 8000,
    },
    "fast": {
        **_WITH_CONTEXT,
        "crop_size": 80,
        "filters": (16, 8, 1),
        "context_widths": (16, 32, 64, 96),
        "context_blocks": (0, 1, 1),
        "context_channels": 1,
        "hidden_size": 32,
        "num_steps": 4,
        "num_updates": 10000,
    },
    "large": {
        **_WITH_CONTEXT,
        **_TWO_LOOKS,
        "crop_size": 128,
        "filters": (64, 32, 2),
        "context_widths": (48, 96, 192, 256, 256),
        "context_blocks": (1, 2, 2, 2),
        "context_channels": 3,
        "hidden_size": 96,
        "num_updates": 20000,
    },
    "paper": {
        "sampling": "patches",
        "patch_size": 30,
        "hidden_size": 68,
        "batch_size": 204,
        "optimiser": "sgd",
        "learning_rate": 0.01,
        "weight_decay": 0.0,
        "clip_norm": 0.0,
        "ema_decay": 0.0,
        "calibrate": False,
        "loss": "l2",
        # 200 epochs of 3,148 faces, mirrored and three times jittered, and 200 more on
        # fresh replicates: 2 * 200 * 3148 * 6 / 204
        "num_updates": 37035,
        "rotation": 0.0,
        "contrast": 0.0,
        "brightness": 0.0,
        "gamma": 0.0,
        "noise": 0.0,
        "occlusion": 0.0,
    },
    "demo": {
        "crop_size": 64,
        "patch_size": 20,
        "hidden_size": 24,
        "filters": (32, 16, 1),
        "num_steps": 4,
        "num_updates": 800,
        "drawn_faces": 2000,
        "validation_faces": 100,
        "eval_every": 200,
        "learning_rate": 2e-3,
        "ema_decay": 0.99,
    },
}

PRESETS = tuple(_PRESETS)


def preset(name: str) -> RunConfig:
    """The named run.

    Args:
        name: one of `PRESETS`.

    Raises:
        ValueError: there is no such preset.
    """
    if not isinstance(name, str) or name not in _PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}; got {name!r}.")
    return replace_fields(RunConfig(), _PRESETS[name])
