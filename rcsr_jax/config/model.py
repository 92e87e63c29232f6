"""What a model is: the part of a run that prediction needs too."""

import dataclasses

from rcsr_jax.boxes import DLIB_BOXES, BoxMap
from rcsr_jax.config.fields import (
    check_at_least,
    check_at_most,
    check_positive,
    check_values,
    setting,
)
from rcsr_jax.markup import FACE_68, Markup
from rcsr_jax.patch_nets import HOG_CHANNELS, patch_layers, patch_map_size
from rcsr_jax.planes import Plane


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network: the crop it sees, its features, its memory and how it moves."""

    markup: Markup = dataclasses.field(
        default=FACE_68, metadata={"help": "What the landmarks mean.", "choices": ()}
    )
    crop_size: int = setting(96, "Side of the square grey crop, in pixels.")
    frame_scale: float = setting(1.5, "Side of the crop frame, in box sides.")
    sampling: str = setting(
        "planes",
        "Features once per crop and sampled around the landmarks (planes), or patches "
        "cut first and features of each one (patches, the paper's order).",
        choices=("planes", "patches"),
    )
    features: str = setting(
        "srcnn",
        "Net that makes the feature maps: srcnn (the paper's), or of its Table 4 lenet, "
        "fauc or hog, which work on patches alone.",
        choices=("srcnn", "lenet", "fauc", "hog"),
    )
    patch_filters: tuple[int, ...] = setting(
        (),
        "Filters of the layers of lenet or fauc; empty: as published, 20,50 and "
        "64,128,256.",
    )
    patch_size: int = setting(24, "Side of a landmark's patch, in crop pixels.")
    filters: tuple[int, int, int] = setting(
        (64, 32, 1),
        "Filters of the three SRCNN layers; the last are maps per landmark.",
    )
    extra_layers: int = setting(
        0, "3x3 layers between the first and the 1x1 layer (Fig. 5)."
    )
    pixel: int = setting(
        1,
        "Crop pixels per pixel of a feature map: 1, 2, 4 or 8. Above 1 the 9x9 windows "
        "lie 2 apart, over averaged blocks of pixels.",
    )
    context_widths: tuple[int, ...] = setting(
        (),
        "Channels of a residual pyramid over the whole crop, on grids of every 2nd, 4th, "
        "8th, ... pixel: it tells every landmark what part of the face lies where. Empty: "
        "none.",
    )
    context_blocks: tuple[int, ...] = setting(
        (), "Residual blocks on each of its grids from the 4th pixel on."
    )
    context_channels: int = setting(2, "Channels of the pyramid for each landmark.")
    own_marks: bool = setting(
        False,
        "Let the place that a landmark's first channel of the pyramid marks pull its "
        "point, as far as the memory trusts it.",
    )
    cell: str = setting("conv_gru", "Recurrent cell.", choices=("conv_gru", "gru"))
    hidden_size: int = setting(64, "Channels (conv_gru) or units (gru) of the memory.")
    dense_layers: int = setting(
        1, "Dense layers between the memory and the increment (Fig. 5)."
    )
    increment: str = setting(
        "whole",
        "What the dense layer gives: the whole increment from the first shape, as in the "
        "paper, or the increment of this step alone.",
        choices=("whole", "step"),
    )
    position_gradient: bool = setting(
        True,
        "Let gradients pass through the positions at which features are sampled, in "
        "training; the gradient of predict is exact with either.",
    )
    compute_dtype: str = setting(
        "float32",
        "Numbers that features and memory are computed in; parameters, positions and "
        "losses stay float32. bfloat16 is for GPUs.",
        choices=("float32", "bfloat16"),
    )
    mirror_average: bool = setting(
        False,
        "Predict the mirror image of each crop as well and take the mean: a little more "
        "exact, in twice the time.",
    )
    num_steps: int = setting(5, "Recurrences in training and in fixed-step prediction.")
    max_steps: int = setting(13, "Most recurrences of adaptive prediction.")
    tolerance: float = setting(
        0.01, "Adaptive prediction stops below this shape increment, in eye distances."
    )
    max_looks: int = setting(
        1,
        "Most looks at a face in a photo: one that does not lie in its crop as faces do, "
        "by the landmarks found, is cut out anew around them, upright. 1: a single look.",
    )
    mirrored_look: bool = setting(
        False,
        "Look at every face in a photo once more, mirrored, cut out around the landmarks "
        "found, upright and of one size, and answer the mean of both looks: more exact, in "
        "twice the time. It wants training with looked_again.",
    )
    detector_boxes: BoxMap = dataclasses.field(
        default=DLIB_BOXES,
        metadata={
            "help": "How the boxes of dlib's face detector become those that the model "
            "was trained with.",
            "choices": (),
        },
    )
    annotation_shift: tuple[float, float] = setting(
        (0.0, 0.0),
        "How far annotated landmarks lie to the right of and below where the network, "
        "trained with mirror images, sees them, in eye distances; added to what is found.",
    )
    error_scale: float = setting(
        1.0, "What the learned expectation of errors is multiplied by: calibration."
    )
    error_spread: float = setting(
        0.3,
        "Standard deviation of the logarithm of a face's error over the expected one.",
    )
    error_ratios: tuple[float, ...] = setting(
        (),
        "How many times larger the error of each landmark is along its outline than "
        "across; empty: not measured.",
    )
    increment_norm: str = setting(
        "shape",
        "Size of a shape increment: l2 norm of the whole vector, or mean over landmarks.",
        choices=("shape", "mean_point"),
    )

    def __post_init__(self):
        check_values(self)
        check_at_least(
            self, 1, "crop_size", "hidden_size", "num_steps", "max_steps", "max_looks"
        )
        check_at_least(self, 1, "context_channels", "dense_layers")
        check_at_least(self, 0, "tolerance", "error_scale", "error_spread")
        if self.error_ratios and (
            len(self.error_ratios) != self.num_points or not min(self.error_ratios) > 0
        ):
            raise ValueError(
                f"error_ratios must be {self.num_points} positive numbers or none; got "
                f"{self.error_ratios}."
            )
        if len(self.annotation_shift) != 2 or not all(
            abs(part) <= 1 for part in self.annotation_shift
        ):
            raise ValueError(
                "annotation_shift must be two numbers from -1 to 1 eye distances; got "
                f"{self.annotation_shift}."
            )
        self._check_context()
        if self.features != "srcnn":
            self._check_patch_net()
        elif self.map_size < 1:
            raise ValueError(
                f"patch_size must be at least {self.plane.patch_size(1)}, what the "
                f"VALID convolutions take for one feature; got {self.patch_size}."
            )
        if self.crop_size < self.patch_size:
            raise ValueError(
                f"patch_size must fit into the crop of {self.crop_size} pixels; got "
                f"{self.patch_size}."
            )
        check_positive(self, "frame_scale")
        # a settings file from elsewhere could ask for any memory, and for years
        check_at_most(self, 1000, "num_steps", "max_steps", "max_looks")
        check_at_most(self, 4096, "crop_size", "frame_scale", "hidden_size")

    def _check_patch_net(self) -> None:
        if self.sampling != "patches":
            raise ValueError(
                f"features={self.features} works on patches alone, as it does not commute "
                f"with cutting them: take sampling=patches; got {self.sampling}."
            )
        patch_layers(self.features, self.patch_filters)
        if self.map_size < 1:
            raise ValueError(
                f"patch_size is too small for features={self.features}; got "
                f"{self.patch_size}."
            )

    def _check_context(self) -> None:
        levels = max(len(self.context_widths) - 1, 0)
        if len(self.context_widths) == 1 or len(self.context_blocks) != levels:
            raise ValueError(
                "context_widths needs two grids or more and context_blocks one number "
                f"less; got {self.context_widths} and {self.context_blocks}."
            )
        if (
            min(self.context_widths, default=1) < 1
            or min(self.context_blocks, default=0) < 0
        ):
            raise ValueError(
                "context_widths must be positive and context_blocks 0 or more; got "
                f"{self.context_widths} and {self.context_blocks}."
            )
        if self.context_widths and self.sampling == "patches":
            raise ValueError(
                'a context pyramid looks at the whole crop: take sampling="planes", or '
                f"leave context_widths empty; got {self.context_widths}."
            )

        if self.own_marks and not self.context_widths:
            raise ValueError(
                "own_marks are those of a context pyramid: give its context_widths, or "
                "leave own_marks out."
            )

    @property
    def num_points(self) -> int:
        """Landmarks per face."""
        return self.markup.num_points

    @property
    def plane(self) -> Plane:
        """The SRCNN that makes the feature maps, and its grid."""
        return Plane(
            filters=self.filters, extra_layers=self.extra_layers, pixel=self.pixel
        )

    @property
    def channels(self) -> int:
        """Features of each landmark on each cell of its maps."""
        context = self.context_channels if self.context_widths else 0
        if self.features == "srcnn":
            return self.plane.channels + context
        layers = patch_layers(self.features, self.patch_filters)
        return layers[-1] if layers else HOG_CHANNELS

    @property
    def cut_size(self) -> int:
        """Side of the patch that is cut of a landmark, where patches are."""
        if self.features != "srcnn":
            return self.patch_size
        return self.plane.patch_size(self.map_size)

    @property
    def map_size(self) -> int:
        """Side of the feature maps that a landmark's patch becomes."""
        if self.features != "srcnn":
            return patch_map_size(self.features, self.patch_size)
        return self.plane.map_size(self.patch_size)
