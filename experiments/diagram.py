"""Draws the numbered landmarks of a markup as SVG.

python -m rcsr_jax.experiments.diagram --out=landmarks.svg                  # 68 points
python -m rcsr_jax.experiments.diagram --checkpoint=DIR --out=landmarks.svg
"""

from pathlib import Path

from absl import flags

from rcsr_jax.checkpoint import load_params
from rcsr_jax.data.face_shapes import frontal_landmarks
from rcsr_jax.data.whole_files import write_whole
from rcsr_jax.markup import FACE_68
from rcsr_jax.report.numbering import landmark_diagram

from . import program

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    None,
    "Model whose mean shape and markup are drawn; by default the 68 points of 300-W on "
    "the head that drawn faces vary.",
)
_OUT = flags.DEFINE_string("out", None, "New .svg file.", required=True)
_MOUTH = 0.7  # open, or the numbers of the inner lips would cover each other


def main(arguments: list[str]) -> None:
    """Draws."""
    program.no_arguments(arguments)
    if _CHECKPOINT.value is None:
        points, markup = frontal_landmarks(mouth=_MOUTH), FACE_68
    else:
        params, config = load_params(_CHECKPOINT.value)
        points, markup = params["mean_shape"], config.model.markup
    write_whole(Path(_OUT.value), landmark_diagram(points, markup=markup))
    print(f"wrote {_OUT.value}")


if __name__ == "__main__":
    program.run(main)
