"""Writes drawn faces as a data set in the layout of 300-W: pictures, .pts and boxes.

rcsr-draw --num_faces=100 --out=DIR
"""

import re

import numpy as np
from absl import flags

from rcsr_jax.data.annotations import write_boxes, write_pts
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.data.face_boxes import detector_like_box
from rcsr_jax.data.images import save_image

from . import program
from .out_folder import check_new, define_out

_DRAWN = re.compile(r"face_[0-9]{4,}\.(png|pts)")
_OUT = define_out("Folder for the faces.")
_NUM_FACES = flags.DEFINE_integer("num_faces", 16, "How many.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 2, "Which faces.", lower_bound=0)
_SIZE = flags.DEFINE_integer(
    "size", 320, "Side of a picture, in pixels.", lower_bound=32, upper_bound=2048
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Replace the faces that are there."
)


def main(arguments: list[str]) -> None:
    """Draws."""
    program.no_arguments(arguments)
    out = _OUT()
    out.mkdir(parents=True, exist_ok=True)
    names = [f"face_{index:04d}" for index in range(_NUM_FACES.value)]
    files = [out / f"{name}{end}" for name in names for end in (".png", ".pts")]
    check_new([out / "boxes.csv", *files], overwrite=_OVERWRITE.value)
    if _OVERWRITE.value:  # of more faces, some would be left beside these
        for drawn in out.glob("face_[0-9]*"):
            if _DRAWN.fullmatch(drawn.name):
                drawn.unlink()
    boxes = {}
    for index, name in enumerate(names):
        face = draw_face(_SEED.value, index, size=_SIZE.value)
        save_image(out / f"{name}.png", face.image)
        write_pts(out / f"{name}.pts", face.points)
        generator = np.random.default_rng([_SEED.value, index, 1])
        boxes[f"{name}.png"] = detector_like_box(face.box, generator=generator)[None]
    write_boxes(out / "boxes.csv", boxes)
    print(f"wrote {len(boxes)} faces with their .pts and boxes.csv to {out}")


def run() -> None:
    """The console command."""
    program.run(main)


if __name__ == "__main__":
    run()
