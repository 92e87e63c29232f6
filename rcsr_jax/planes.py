"""Where the pixels of a feature plane lie in the crop that it was computed from."""

import dataclasses

PIXELS = (1, 2, 4, 8)  # the grids there are, in crop pixels

_FIRST, _EXTRA, _LAST = (
    9,
    3,
    5,
)  # sides of the kernels; the 1x1 between them adds nothing


def srcnn_layers(filters: tuple[int, ...], extra_layers: int) -> list[tuple[int, int]]:
    """The layers of an SRCNN: side of the kernel and outputs of each.

    Args:
        filters: outputs of the 9x9 and 3x3, the 1x1 and the 5x5 layers.
        extra_layers: 3x3 layers behind the first one.
    """
    wide, inner, last = filters
    extra = [(_EXTRA, wide)] * extra_layers
    return [(_FIRST, wide), *extra, (1, inner), (_LAST, last)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plane:
    """The feature maps of one net: its size and its grid.

    Attributes:
        filters: outputs of its 9x9 and 3x3, its 1x1 and its 5x5 layers.
        extra_layers: 3x3 layers behind the first one.
        pixel: crop pixels from one feature to the next, one of `PIXELS`.
    """

    filters: tuple[int, ...]
    extra_layers: int = 0
    pixel: int = 1

    def __post_init__(self):
        if len(self.filters) != 3 or min(self.filters) < 1:
            raise ValueError(
                f"filters must be three counts, as 64,32,1; got {self.filters}."
            )
        if self.extra_layers < 0:
            raise ValueError(
                f"extra_layers must be 0 or more; got {self.extra_layers}."
            )
        if self.pixel not in PIXELS:
            raise ValueError(f"pixel must be one of {PIXELS}; got {self.pixel}.")

    @property
    def channels(self) -> int:
        """Features per pixel of the plane."""
        return self.filters[-1]

    @property
    def stride(self) -> int:
        """Of the first layer."""
        return min(self.pixel, 2)

    @property
    def pooling(self) -> int:
        """Side of the blocks of crop pixels that are averaged before the first layer."""
        return self.pixel // self.stride

    @property
    def trimmed(self) -> int:
        """Pixels that unpadded layers behind the first one take off a side."""
        return self.extra_layers * (_EXTRA - 1) + _LAST - 1

    def map_size(self, patch_size: int) -> int:
        """Side of the map that a patch of crop pixels becomes; below 1: too small."""
        windows = (patch_size // self.pooling - _FIRST) // self.stride + 1
        return windows - self.trimmed

    def patch_size(self, map_size: int) -> int:
        """Side of the least patch that becomes a map of this side."""
        windows = map_size + self.trimmed
        return ((windows - 1) * self.stride + _FIRST) * self.pooling

    def layer_sizes(self, size: int) -> tuple[int, ...]:
        """Sides of the outputs of the layers (9x9, each 3x3, 1x1, 5x5) on a square input.

        Args:
            size: side of the input, crop pixels.
        """
        first = (size // self.pooling - _FIRST) // self.stride + 1
        sizes = [first - (_EXTRA - 1) * n for n in range(self.extra_layers + 1)]
        return (*sizes, sizes[-1], sizes[-1] - (_LAST - 1))

    @property
    def first_pixel(self) -> float:
        """Crop coordinate, x or y alike, of the middle of the plane's first pixel."""
        before = self.trimmed / 2 * self.stride + (_FIRST - 1) / 2
        return before * self.pooling + (self.pooling - 1) / 2
