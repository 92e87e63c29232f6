"""What a run is made of: frozen dataclasses of plain values, presets, to and from JSON.

Every field carries its own help text, so that the command line flags, the error messages
and the documentation are made from one place. A config is hashable: it is a static
argument of the jitted functions.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from rcsr_jax.markup import FACE_68, Markup
from rcsr_jax.planes import Plane


def _setting(default: Any, help_text: str, *, choices: tuple[str, ...] = ()) -> Any:
    return dataclasses.field(
        default=default, metadata={"help": help_text, "choices": choices}
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network: the crop it sees, its features, its memory and how it moves."""

    markup: Markup = _setting(FACE_68, "What the landmarks mean.")
    crop_size: int = _setting(96, "Side of the square grey crop, in pixels.")
    frame_scale: float = _setting(1.5, "Side of the crop frame, in box sides.")
    sampling: str = _setting(
        "planes",
        "Features once per crop and sampled around the landmarks (planes), or patches "
        "cut first and features of each one (patches, the paper's order).",
        choices=("planes", "patches"),
    )
    patch_size: int = _setting(24, "Side of a landmark's patch, in crop pixels.")
    filters: tuple[int, int, int] = _setting(
        (64, 32, 1),
        "Filters of the three SRCNN layers; the last are maps per landmark.",
    )
    extra_layers: int = _setting(
        0, "3x3 layers between the first and the 1x1 layer (Fig. 5)."
    )
    pixel: int = _setting(
        1,
        "Crop pixels per pixel of a feature map: 1, 2, 4 or 8. Above 1 the 9x9 windows "
        "lie 2 apart, over averaged blocks of pixels.",
    )
    coarse_filters: tuple[int, ...] = _setting(
        (),
        "Filters of a second net on a coarser grid, whose maps show more of the face; "
        "empty: none.",
    )
    coarse_extra_layers: int = _setting(0, "3x3 layers of the coarse net.")
    coarse_pixel: int = _setting(
        4, "Crop pixels per pixel of a coarse feature map: 1, 2, 4 or 8."
    )
    cell: str = _setting("conv_gru", "Recurrent cell.", choices=("conv_gru", "gru"))
    hidden_size: int = _setting(64, "Channels (conv_gru) or units (gru) of the memory.")
    increment: str = _setting(
        "whole",
        "What the dense layer gives: the whole increment from the first shape, as in the "
        "paper, or the increment of this step alone.",
        choices=("whole", "step"),
    )
    position_gradient: bool = _setting(
        True, "Let gradients pass through the positions at which features are sampled."
    )
    compute_dtype: str = _setting(
        "float32",
        "Numbers that features and memory are computed in; parameters, positions and "
        "losses stay float32. bfloat16 is for GPUs.",
        choices=("float32", "bfloat16"),
    )
    num_steps: int = _setting(
        5, "Recurrences in training and in fixed-step prediction."
    )
    max_steps: int = _setting(13, "Most recurrences of adaptive prediction.")
    tolerance: float = _setting(
        0.01, "Adaptive prediction stops below this shape increment, in eye distances."
    )
    increment_norm: str = _setting(
        "shape",
        "Size of a shape increment: l2 norm of the whole vector, or mean over landmarks.",
        choices=("shape", "mean_point"),
    )

    def __post_init__(self):
        _check_choices(self)
        _check_at_least(self, 1, "crop_size", "hidden_size", "num_steps", "max_steps")
        if self.map_size < 1:
            raise ValueError(
                f"patch_size must be at least {self.planes[0].patch_size(1)}, what the "
                f"VALID convolutions take for one feature; got {self.patch_size}."
            )
        if self.crop_size < self.patch_size:
            raise ValueError(
                f"patch_size must fit into the crop of {self.crop_size} pixels; got "
                f"{self.patch_size}."
            )
        if not self.frame_scale > 0:
            raise ValueError(f"frame_scale must be positive; got {self.frame_scale}.")

    @property
    def num_points(self) -> int:
        """Landmarks per face."""
        return self.markup.num_points

    @property
    def planes(self) -> tuple[Plane, ...]:
        """The nets that make the feature maps: the fine one and, if any, the coarse one."""
        fine = Plane(
            filters=self.filters,
            extra_layers=self.extra_layers,
            pixel=self.pixel,
        )
        if not self.coarse_filters:
            return (fine,)
        coarse = Plane(
            filters=self.coarse_filters,
            extra_layers=self.coarse_extra_layers,
            pixel=self.coarse_pixel,
            padded=True,  # its windows are as large as half of a face
        )
        return fine, coarse

    @property
    def map_size(self) -> int:
        """Side of the feature maps that a landmark's patch becomes."""
        return self.planes[0].map_size(self.patch_size)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The faces to train on."""

    data: str = _setting(
        "drawn",
        "What to train on: a folder of annotated photos, a keypoint CSV, a folder made by "
        "rcsr-prepare, or 'drawn' for the built-in drawn faces. Several: with commas.",
    )
    boxes: str = _setting(
        "", "CSV of face boxes (image,x0,y0,x1,y1); none: boxes from the annotation."
    )
    split: str = _setting(
        "train", "Part of the data set: train, test, all or a folder."
    )
    validation_faces: int = _setting(
        200, "Faces held out of training, by whole photos, from the first data set."
    )
    drawn_faces: int = _setting(2000, "Drawn faces to make where data is 'drawn'.")
    cache_margin: float = _setting(
        1.5, "Side of a cached crop, in crop frames: room for jitter."
    )
    strict: bool = _setting(False, "Refuse to train when any face is broken.")

    def __post_init__(self):
        _check_at_least(self, 0, "validation_faces")
        _check_at_least(self, 1, "drawn_faces", "cache_margin")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How a training face is varied, afresh at every step."""

    mirror: float = _setting(0.5, "Share of faces that are mirrored.")
    rotation: float = _setting(
        10.0, "In-plane rotation, standard deviation in degrees."
    )
    box_shift: float = _setting(
        0.035, "Shift of the box, standard deviation in box sides."
    )
    box_scale: float = _setting(0.06, "Log size of the box, standard deviation.")
    wide_boxes: float = _setting(
        0.5, "Share of faces whose box noise is 1.5 times wider."
    )
    contrast: float = _setting(0.25, "Log contrast, standard deviation.")
    brightness: float = _setting(20.0, "Brightness, standard deviation in grey levels.")
    gamma: float = _setting(0.2, "Log gamma, standard deviation.")
    noise: float = _setting(4.0, "Pixel noise, at most, in grey levels.")
    occlusion: float = _setting(0.3, "Share of faces with an occluding patch.")
    occlusion_size: float = _setting(0.4, "Largest occluding side, in crop sides.")

    def __post_init__(self):
        names = [field.name for field in dataclasses.fields(self)]
        _check_at_least(self, 0, *names)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How the network is trained."""

    seed: int = _setting(0, "Seed of everything random in a run.")
    num_updates: int = _setting(6000, "Parameter updates of the whole run.")
    batch_size: int = _setting(32, "Faces per update, over all devices.")
    optimiser: str = _setting(
        "adam",
        "adam or muon (orthogonal updates of kernels): warm-up and cosine to zero; sgd: "
        "momentum 0.9 and the paper's halving.",
        choices=("adam", "muon", "sgd"),
    )
    learning_rate: float = _setting(1e-3, "Highest learning rate.")
    warmup_updates: int = _setting(100, "Updates of linear warm-up (adam).")
    halving_epochs: int = _setting(10, "Epochs after which the rate is halved (sgd).")
    weight_decay: float = _setting(1e-4, "Decoupled weight decay (adam).")
    clip_norm: float = _setting(1.0, "Largest global gradient norm; 0: not clipped.")
    ema_decay: float = _setting(
        0.999, "Decay of the averaged parameters that are kept."
    )
    loss: str = _setting(
        "l1",
        "Error of a landmark: squared (the paper), distance, or wing.",
        choices=("l2", "l1", "wing"),
    )
    step_weights: str = _setting(
        "progressive",
        "Weights of the steps: 10^(t/T) of section 3.1.1, or 10^linspace(-2, 2) of 4.4.",
        choices=("progressive", "log_range"),
    )
    calibrate: bool = _setting(
        True,
        "Measure the tolerance of adaptive prediction on fresh replicates of training "
        "faces at each checkpoint, instead of taking it as given.",
    )
    eval_every: int = _setting(250, "Updates between two validations and checkpoints.")
    max_seconds: float = _setting(
        0.0, "Stop cleanly, with a checkpoint, after this many seconds; 0: no limit."
    )

    def __post_init__(self):
        _check_choices(self)
        _check_at_least(self, 1, "num_updates", "batch_size", "eval_every")
        _check_at_least(self, 0, "warmup_updates", "clip_norm", "max_seconds", "seed")
        if not self.learning_rate > 0 or not 0 <= self.ema_decay < 1:
            raise ValueError(
                "learning_rate must be positive and ema_decay in [0, 1); got "
                f"{self.learning_rate} and {self.ema_decay}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A whole run: what `rcsr_jax.train` takes and what a checkpoint stores."""

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)


def to_dict(config: Any) -> dict[str, Any]:
    """A config as plain JSON values; `from_dict` reads it back.

    Args:
        config: any of the dataclasses of this file.
    """
    return dataclasses.asdict(config)


def from_dict(kind: type, fields: Mapping[str, Any]) -> Any:
    """The config of class `kind` that `to_dict` wrote; missing fields take defaults.

    Raises:
        ValueError: a field is unknown or its value does not fit.
    """
    if not isinstance(fields, Mapping):
        raise ValueError(f"{kind.__name__} must be an object; got {fields!r}.")
    if kind is Markup:
        return Markup.from_dict(fields)
    known = typing.get_type_hints(kind)
    if unknown := sorted(set(fields) - set(known)):
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}.")
    return kind(**{name: _value(known[name], name, v) for name, v in fields.items()})


def _value(kind: Any, name: str, value: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        return from_dict(typing.cast(type, kind), value)
    if isinstance(kind, types.GenericAlias):
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{name} must be a list; got {value!r}.")
        return tuple(_value(typing.get_args(kind)[0], name, item) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{name} must be {kind.__name__}; got {value!r}.")
    return value


def replace_fields(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """A copy of `config` with fields replaced by name, whichever part they live in.

    Args:
        config: the run to start from.
        changes: new values by field name; names are unique over the parts of a run.

    Raises:
        ValueError: no part of a run has a field of that name.
    """
    parts: dict[str, dict[str, Any]] = {}
    owners = {
        field.name: part.name
        for part in dataclasses.fields(config)
        for field in dataclasses.fields(getattr(config, part.name))
    }
    for name, value in changes.items():
        if name not in owners:
            raise ValueError(f"no setting is called {name}.")
        parts.setdefault(owners[name], {})[name] = value
    return dataclasses.replace(
        config,
        **{
            part: dataclasses.replace(getattr(config, part), **fields)
            for part, fields in parts.items()
        },
    )


def differences(old: RunConfig, new: RunConfig) -> dict[str, tuple[Any, Any]]:
    """The settings in which two runs differ: name -> (old value, new value)."""
    found = {}
    for part in dataclasses.fields(RunConfig):
        before, after = getattr(old, part.name), getattr(new, part.name)
        for field in dataclasses.fields(before):
            pair = getattr(before, field.name), getattr(after, field.name)
            if pair[0] != pair[1]:
                found[field.name] = pair
    return found


# One speed/accuracy curve: fast < base < large; paper is the published model and schedule.
_PRESETS: dict[str, dict[str, Any]] = {
    "base": {},
    "fast": {"crop_size": 80, "patch_size": 20, "hidden_size": 32, "num_steps": 4},
    "large": {"crop_size": 128, "patch_size": 28, "hidden_size": 96},
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
    if name not in _PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}; got {name!r}.")
    return replace_fields(RunConfig(), _PRESETS[name])


def _check_choices(config: Any) -> None:
    for field in dataclasses.fields(config):
        choices = field.metadata.get("choices")
        value = getattr(config, field.name)
        if choices and value not in choices:
            raise ValueError(
                f"{field.name} must be one of {', '.join(choices)}; got {value!r}."
            )


def _check_at_least(config: Any, least: float, *names: str) -> None:
    for name in names:
        if not getattr(config, name) >= least:
            raise ValueError(
                f"{name} must be at least {least}; got {getattr(config, name)}."
            )
