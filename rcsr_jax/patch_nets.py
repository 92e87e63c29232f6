"""What the nets that work on patches alone make of a patch: maps, layers, their sizes.

LeNet and FAUC pool, and HOG counts in cells: none of them commutes with cutting patches as
an SRCNN does, so they have no planes.
"""

import dataclasses

KERNEL = 5  # side of the windows of every layer
HOG_CELL = 8  # pixels along a side of a cell
HOG_CHANNELS = 31  # 18 directed and 9 undirected orientations, 4 energies


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchNet:
    """A net that is applied to each patch.

    Attributes:
        published: filters of its layers as published.
        border: zeros around the input of each layer.
        quadrants: whether the last pooling leaves 2 x 2 quadrants; the others halve.
    """

    published: tuple[int, ...]
    border: int = 0
    quadrants: bool = False

    def layer_sizes(self, patch_size: int) -> tuple[int, ...]:
        """Sides of the outputs of the layers, before they are pooled."""
        sizes = []
        for _ in self.published:
            sizes.append(patch_size + 2 * self.border - KERNEL + 1)
            patch_size = sizes[-1] // 2
        return tuple(sizes)

    def map_size(self, patch_size: int) -> int:
        """Side of the map that a patch becomes; below 1: too small."""
        last = self.layer_sizes(patch_size)[-1]
        return 2 * (last > 1) if self.quadrants else last // 2


PATCH_NETS = {
    "lenet": PatchNet(published=(20, 50)),
    "fauc": PatchNet(published=(64, 128, 256), border=KERNEL // 2, quadrants=True),
}


def patch_map_size(features: str, patch_size: int) -> int:
    """Side of the map of a patch under "lenet", "fauc" or "hog"; below 1: too small.

    Raises:
        ValueError: HOG cells do not divide the patch.
    """
    if features != "hog":
        return PATCH_NETS[features].map_size(patch_size)
    if patch_size % HOG_CELL:
        raise ValueError(
            f"features=hog needs a patch_size that is a multiple of its cells of "
            f"{HOG_CELL} pixels; got {patch_size}."
        )
    return patch_size // HOG_CELL


def patch_layers(features: str, filters: tuple[int, ...]) -> tuple[int, ...]:
    """The filters of each layer of "lenet", "fauc" or "hog" (which has none).

    Args:
        features: the net.
        filters: those wanted; empty: as published.

    Raises:
        ValueError: they are not as many as the layers, or not positive.
    """
    published = () if features == "hog" else PATCH_NETS[features].published
    chosen = filters or published
    if len(chosen) != len(published) or min(chosen, default=1) < 1:
        raise ValueError(
            f"patch_filters of {features} must be {len(published)} counts"
            + (f", as {','.join(map(str, published))}" if published else "")
            + f"; got {filters}."
        )
    return chosen
