"""Small faces that count how often they are loaded, and a cache of their crops."""

import numpy as np
from three import THREE

from rcsr_jax.config import DataConfig, ModelConfig
from rcsr_jax.data import crop_builds
from rcsr_jax.data.cutting import Source

MODEL = ModelConfig(markup=THREE, crop_size=16, patch_size=14, filters=(2, 2, 1))
DATA = DataConfig(cache_margin=1.5)
SIDE = 27  # 16 crop pixels, 1.5 times as wide, 1.125 times as fine


class Folder:
    """Faces that count how often they are loaded."""

    def __init__(self, *, num_faces: int = 5, broken: tuple[int, ...] = ()):
        self.loads = 0
        self.broken = broken
        self.sources = [
            Source(f"face_{index}", lambda i=index: self._load(i), stamp="1")
            for index in range(num_faces)
        ]

    def _load(self, index: int):
        self.loads += 1
        if index in self.broken:
            raise ValueError(f"face {index} is torn")
        return photo_of(index), points_of(index), np.array([20, 15, 70, 65], np.float32)


def photo_of(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (80, 90, 3), dtype=np.uint8)


def points_of(index: int) -> np.ndarray:
    return np.array([[30, 30], [60, 30], [45, 50]], np.float32) + index


def build(folder, faces: Folder, *, model=MODEL, data=DATA, **options):
    return crop_builds.open_or_build(
        folder, faces.sources, model=model, data=data, **options
    )
