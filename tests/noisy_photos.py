"""A small 300-W of noisy photos with three landmarks each, and its settings."""

from pathlib import Path

import numpy as np
from three import THREE

from rcsr_jax.config import DataConfig, ModelConfig
from rcsr_jax.data.annotations import write_boxes, write_pts
from rcsr_jax.data.images import save_image

MODEL = ModelConfig(markup=THREE, crop_size=16, patch_size=14)
MODEL_68 = ModelConfig(crop_size=16, patch_size=14)
DRAWN = DataConfig(drawn_faces=6, validation_faces=2)
BOX = np.array([15, 8, 45, 38], np.float32)


def photo(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (50, 60, 3), dtype=np.uint8)


def points_of(index: int) -> np.ndarray:
    return np.array([[20, 15], [40, 15], [30, 30]], np.float32) + index / 4


def write_face(root: Path, name: str, *, index: int = 0) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    save_image(path, photo(index))
    write_pts(path.with_suffix(".pts"), points_of(index))


def write_folder(root: Path) -> Path:
    """Six training faces, two of one photo, a test face, boxes of all."""
    names = [f"lfpw/trainset/image_000{i}.png" for i in range(4)]
    names += ["helen/trainset/7_1.png", "helen/trainset/7_2.png"]
    names += ["helen/testset/9_1.png"]
    for index, name in enumerate(names):
        write_face(root, name, index=index)
    boxes = {name: BOX + index / 4 for index, name in enumerate(names)}
    write_boxes(root / "boxes.csv", boxes)
    return root


def of_folder(folder: Path, **changes) -> DataConfig:
    boxes = str(folder / "boxes.csv")
    settings = {"data": str(folder), "boxes": boxes, "validation_faces": 2, **changes}
    return DataConfig(**settings)
