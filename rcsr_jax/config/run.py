"""What a run is made of, beside its model: faces, their variation, the training."""

import dataclasses

from rcsr_jax.config.fields import (
    check_at_least,
    check_at_most,
    check_positive,
    check_values,
    setting,
)
from rcsr_jax.config.model import ModelConfig
from rcsr_jax.plain_values import check_types

_WIDEST_MARGIN = 16  # crop frames: a cached crop has its square times the pixels


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The faces to train on."""

    data: str = setting(
        "drawn",
        "What to train on: a folder of annotated photos, a file of landmarks (JSON, COCO, "
        "CSV, dlib XML), a folder made by rcsr-prepare, or 'drawn' for the built-in drawn "
        "faces. Several: with commas.",
    )
    last_data: str = setting(
        "",
        "What the last updates, last_updates of them, are made of, given as data is; "
        "empty: data to the end.",
    )
    boxes: str = setting(
        "", "CSV of face boxes (image,x0,y0,x1,y1); none: boxes from the annotation."
    )
    split: str = setting(
        "train", "Part of the data set: train, test, all or folders, with commas."
    )
    validation_faces: int = setting(
        200, "Faces held out of training, by whole photos, from the first data set."
    )
    training_faces: int = setting(
        0,
        "Faces to train on, by whole photos; more hold fewer's; 0: all that are left.",
    )
    drawn_faces: int = setting(2000, "Drawn faces to make where data is 'drawn'.")
    cache_margin: float = setting(
        1.5, "Side of a cached crop, in crop frames: room for jitter."
    )
    strict: bool = setting(
        False, "Stop where a face cannot be used, rather than leave it out."
    )
    stream_faces: str = setting(
        "auto",
        "Read the training faces of each update from the disk, instead of keeping all of "
        "them on the device; auto: where they would take more than a quarter of its "
        "memory. It changes nothing else.",
        choices=("auto", "always", "never"),
    )

    def __post_init__(self):
        check_values(self)
        check_at_least(self, 0, "validation_faces", "training_faces")
        check_at_least(self, 1, "drawn_faces", "cache_margin")
        check_at_most(self, _WIDEST_MARGIN, "cache_margin")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How a training face is varied, afresh at every step."""

    mirror: float = setting(0.5, "Share of faces that are mirrored.")
    rotation: float = setting(10.0, "In-plane rotation, standard deviation in degrees.")
    box_shift: float = setting(
        0.035, "Shift of the box, standard deviation in box sides."
    )
    box_scale: float = setting(0.06, "Log size of the box, standard deviation.")
    stretch: float = setting(
        0.0,
        "How much longer a face becomes along one direction, and narrower across: log, "
        "standard deviation.",
    )
    wide_boxes: float = setting(
        0.5, "Share of faces whose box noise is 1.5 times wider."
    )
    looked_again: float = setting(
        0.0,
        "Share of faces that are shown as further looks see them: cut out around their "
        "landmarks, upright and of one size. For models of mirrored_look.",
    )
    contrast: float = setting(0.25, "Log contrast, standard deviation.")
    brightness: float = setting(20.0, "Brightness, standard deviation in grey levels.")
    gamma: float = setting(0.2, "Log gamma, standard deviation.")
    noise: float = setting(4.0, "Pixel noise, at most, in grey levels.")
    occlusion: float = setting(0.3, "Share of faces with an occluding patch.")
    occlusion_size: float = setting(0.4, "Largest occluding side, in crop sides.")

    def __post_init__(self):
        names = [field.name for field in dataclasses.fields(self)]
        check_values(self)
        check_at_least(self, 0, *names)
        check_at_most(self, 1, "mirror", "wide_boxes", "looked_again", "occlusion")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How the network is trained."""

    seed: int = setting(0, "Seed of everything random in a run.")
    init_from: str = setting(
        "",
        "Checkpoint, work folder, weights file or shipped weights (base, fast) of the same "
        "network, with crops of any size, to start from, or several with commas, the mean "
        "of which is taken; of one for other landmarks, what sees the picture. Empty: "
        "fresh parameters.",
    )
    num_updates: int = setting(6000, "Parameter updates of the whole run.")
    last_updates: int = setting(
        0,
        "How many of them, at the end, are made of the faces of last_data, as with the "
        "most exact landmarks when the rate is low; 0: none.",
    )
    batch_size: int = setting(32, "Faces per update, over all devices.")
    optimiser: str = setting(
        "adam",
        "adam and muon: warm-up and cosine to zero, muon with changes of convolution "
        "kernels that are made orthogonal; sgd: momentum 0.9 and the paper's halving, "
        "begun anew in the middle of the run.",
        choices=("adam", "muon", "sgd"),
    )
    learning_rate: float = setting(1e-3, "Highest learning rate.")
    warmup_updates: int = setting(100, "Updates of linear warm-up (adam, muon).")
    halving_epochs: int = setting(
        10, "Epochs, of six views of each face, after which the rate is halved (sgd)."
    )
    weight_decay: float = setting(1e-4, "Decoupled weight decay (adam, muon).")
    clip_norm: float = setting(1.0, "Largest global gradient norm; 0: not clipped.")
    ema_decay: float = setting(0.999, "Decay of the averaged parameters that are kept.")
    loss: str = setting(
        "l1",
        "Error of a landmark: squared (the paper), distance, or wing.",
        choices=("l2", "l1", "wing"),
    )
    across_weight: float = setting(
        1.0,
        "How many times as much the part of an error across the outline of its landmark "
        "counts as that along it; 1: alike, as in the paper.",
    )
    heatmap_weight: float = setting(
        0.0,
        "Weight of a loss that has the first channel of the context pyramid mark each "
        "landmark's place; 0: none.",
    )
    step_weights: str = setting(
        "progressive",
        "Weights of the steps: 10^(t/T) of section 3.1.1, or 10^linspace(-2, 2) of 4.4.",
        choices=("progressive", "log_range"),
    )
    remat: bool = setting(
        False,
        "Compute each step again in the backward pass instead of keeping what it made: "
        "more time, and memory that does not grow with the steps. It saves none on a "
        "CPU, where the loop is written out.",
    )
    calibrate: bool = setting(
        True,
        "Measure the tolerance of adaptive prediction on fresh replicates of training "
        "faces at each checkpoint, instead of taking it as given.",
    )
    eval_every: int = setting(250, "Updates between two validations and checkpoints.")
    max_seconds: float = setting(
        0.0, "Stop cleanly, with a checkpoint, after this many seconds; 0: no limit."
    )

    def __post_init__(self):
        check_values(self)
        check_at_least(self, 1, "num_updates", "batch_size", "eval_every")
        check_at_least(self, 1, "halving_epochs")
        check_at_least(self, 0, "warmup_updates", "clip_norm", "max_seconds", "seed")
        check_at_least(self, 0, "last_updates")
        check_at_least(self, 0, "heatmap_weight", "weight_decay")
        check_at_most(self, 2**32 - 1, "seed")  # JAX's keys drop what is above
        check_positive(self, "learning_rate", "across_weight")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must be in [0, 1); got {self.ema_decay}.")
        if self.last_updates >= self.num_updates:
            raise ValueError(
                f"last_updates must be below the {self.num_updates} of num_updates; got "
                f"{self.last_updates}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A whole run: what `rcsr_jax.train` takes and what a checkpoint stores."""

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)

    def __post_init__(self):
        check_types(self)
        if bool(self.data.last_data) != bool(self.train.last_updates):
            raise ValueError(
                f"last_data ({self.data.last_data!r}) and last_updates "
                f"({self.train.last_updates}) belong together: give both or neither."
            )
        if self.data.last_data and self.data.training_faces:
            raise ValueError(
                "training_faces would take part of data alone, and last_data hold the "
                "faces that are left: give one of the two."
            )
        learns_kernels = self.model.cell == "conv_gru" or self.model.context_widths
        if self.train.optimiser == "muon" and not learns_kernels:
            raise ValueError(
                "optimiser=muon is for kernels between channels, of a conv_gru or a "
                "context pyramid, and this network has neither: take adam."
            )
        if self.train.heatmap_weight and not self.model.context_widths:
            raise ValueError(
                "heatmap_weight is for the marks of a context pyramid: give its "
                "context_widths, or leave heatmap_weight out (0)."
            )
