"""Annotated photos on the disk, tiny and blank, to be read as a data set."""

import numpy as np
from PIL import Image

from rcsr_jax.data.annotations import write_pts

# tight box 10..30, 10..25
POINTS = np.array([[10, 10], [30, 10], [20, 25]], np.float32)


def add_image(path, *, size=(40, 30), shade=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, shade).save(path, **options)


def add_face(root, name, *, points=POINTS, **options):
    add_image(root / name, **options)
    write_pts((root / name).with_suffix(".pts"), points)


def names_of(found):
    return [face.name for face in found.faces]


def small_300_w(folder):
    """A small 300-W: two sources with training folders, tests in three places."""
    for name in (
        "lfpw/trainset/image_0001.png",
        "lfpw/testset/image_0001.png",
        "helen/trainset/1_1.jpg",
        "afw/Test/2_1.jpg",
        "IBUG/image_003_1.jpg",
        "val/5.png",
    ):
        add_face(folder, name)
    return folder
