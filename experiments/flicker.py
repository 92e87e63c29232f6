"""Measures flicker, error, steps and speed of tracking against frame-by-frame prediction.

python -m rcsr_jax.experiments.flicker --out=DIR                       # shipped weights
python -m rcsr_jax.experiments.flicker --checkpoint=DIR --photos=300W --boxes=BOXES.csv

Clips are drawn faces that move, turn and speak, and photos that a camera pans over: the
astronaut of scikit-image, whose truth is the model's own shape in the photo, so that its
flicker counts and its error does not, and annotated faces of --photos, of those held out
of training. Writes flicker.json and flicker.md.
"""

import functools
import shlex
import sys

import numpy as np
from absl import flags

from rcsr_jax.checkpoint import load_params
from rcsr_jax.config import RunConfig
from rcsr_jax.data.clips import Clip, draw_clip, pan_photo
from rcsr_jax.data.faces import read_faces
from rcsr_jax.data.images import load_image
from rcsr_jax.data.whole_files import write_whole
from rcsr_jax.flicker import Method, frame_by_frame, measure, tracked
from rcsr_jax.inference import Predictor
from rcsr_jax.markup import FACE_68, Markup
from rcsr_jax.smoothing import OneEuro
from rcsr_jax.tracking import Tracker

from . import markdown, outputs, program, settings
from .out_folder import define_out
from .validation_faces import define_held_out, held_out, note_of_further_data

_MODEL = settings.define_model_flags()
_PHOTOS = flags.DEFINE_string("photos", None, "Folder of annotated photos to pan over.")
_BOXES = flags.DEFINE_string(
    "boxes",
    None,
    "CSV of face boxes: faces of --photos without one are left out, as of a run with these "
    "boxes. The boxes of the frames are drawn around the landmarks.",
)
_HELD_OUT = define_held_out()
_NUM_CLIPS = flags.DEFINE_integer("num_clips", 8, "Of each kind.", lower_bound=1)
_NUM_FRAMES = flags.DEFINE_integer("num_frames", 60, "Of a clip.", lower_bound=2)
_PERIOD = flags.DEFINE_integer(
    "period", 20, "Frames from one pose to the next; more is calmer.", lower_bound=1
)
_DRAWN = flags.DEFINE_boolean("drawn", True, "Measure on drawn faces as well.")
_OUT = define_out()

_SIZE = 240  # pixels, of the frames
_ASTRONAUT = (179, 86, 271, 178)  # the box of the face
_COLUMNS = ("nme", "nme_90", "flicker", "steps", "frames_per_second", "found")


def main(arguments: list[str]) -> None:
    """Measures, prints a table and writes it."""
    program.no_arguments(arguments)
    out = _OUT()
    if not _PHOTOS.value:
        for flag in (_BOXES, _HELD_OUT):
            if flag.present:
                raise ValueError(f"--{flag.name} is about photos: name them, --photos.")
    params, config = load_params(_MODEL())
    if _DRAWN.value:
        _check_drawn(config.model.markup)
    out.mkdir(parents=True, exist_ok=True)  # or all the work would be for nothing
    predictor = Predictor(params, config.model)
    Tracker(predictor=predictor, detect=lambda image: []).compile()
    kinds = _clips(predictor, config)
    methods = _methods(predictor)
    with outputs.bar(total=sum(map(len, kinds.values())) * len(methods)) as bar:
        results = {
            kind: measure(
                methods, clips, markup=predictor.config.markup, on_progress=bar.update
            )
            for kind, clips in kinds.items()
        }
    report = {
        "command": shlex.join(["flicker", *sys.argv[1:]]),
        "clips": {kind: len(clips) for kind, clips in kinds.items()},
        "num_frames": _NUM_FRAMES.value,
        "results": results,
    }
    outputs.write_json(out / "flicker.json", report)
    table = _table(results)
    write_whole(out / "flicker.md", table + "\n")
    print(table)


def _check_drawn(markup: Markup) -> None:
    """Refuses drawn faces for a model of other landmarks."""
    if not markup.same_landmarks(FACE_68):
        raise ValueError(
            f"drawn faces have the {FACE_68.num_points} landmarks of {FACE_68.name}, the "
            f"model finds the {markup.num_points} of {markup.name}: leave them out, "
            "--nodrawn."
        )


def _methods(predictor: Predictor) -> dict[str, Method]:
    return {
        "frame by frame": frame_by_frame(predictor),
        "tracked": tracked(lambda detect: Tracker(predictor=predictor, detect=detect)),
        "tracked, 1 euro": tracked(
            lambda detect: Tracker(
                predictor=predictor, detect=detect, smoothing=OneEuro()
            )
        ),
    }


def _clips(predictor: Predictor, config: RunConfig) -> dict[str, list[Clip]]:
    """The clips of each kind."""
    pan = functools.partial(
        pan_photo, num_frames=_NUM_FRAMES.value, size=_SIZE, period=_PERIOD.value
    )
    count = range(_NUM_CLIPS.value)
    kinds = {}
    if (astronaut := _astronaut()) is not None:
        points = predictor(astronaut, np.array(_ASTRONAUT)).points[0]
        kinds["panned astronaut"] = [pan(astronaut, points, seed=n) for n in count]
    if _PHOTOS.value:
        markup = predictor.config.markup
        found = read_faces(
            _PHOTOS.value, markup=markup, split="train", boxes=_BOXES.value
        )
        outputs.tell_refused(found.refused)
        if note := note_of_further_data(_PHOTOS.value, config.data):
            print(f"note: {note}", file=sys.stderr)
        num_held = _HELD_OUT.value or config.data.validation_faces
        held = held_out(found.faces, count=num_held)
        every = held[:: max(1, len(held) // _NUM_CLIPS.value)][: _NUM_CLIPS.value]
        kinds["panned photos"] = [
            pan(load_image(face.path), face.points, seed=n)
            for n, face in enumerate(every)
        ]
    if _DRAWN.value:
        kinds["drawn faces"] = [
            draw_clip(
                11, n, num_frames=_NUM_FRAMES.value, size=_SIZE, period=_PERIOD.value
            )
            for n in count
        ]
    if not kinds:
        raise ValueError(
            "nothing to measure on: pip install scikit-image, or give --photos."
        )
    return kinds


def _astronaut() -> np.ndarray | None:
    try:
        from skimage import data
    except ModuleNotFoundError:
        return None
    return data.astronaut()


def _table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """The numbers in Markdown."""
    return markdown.table(
        ["clips", "method", *(column.replace("_", " ") for column in _COLUMNS)],
        [
            [kind, name, *(values[column] for column in _COLUMNS)]
            for kind, methods in results.items()
            for name, values in methods.items()
        ],
    )


if __name__ == "__main__":
    program.run(main)
