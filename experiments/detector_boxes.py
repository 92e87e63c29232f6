"""Measures the face detector on annotated faces: what it finds, and its boxes against ours.

python -m rcsr_jax.experiments.detector_boxes --data=300W --boxes=300W/boxes.csv
python -m rcsr_jax.experiments.detector_boxes --data=FACES --markup=M.json --out=MAP.json

Faces are read as by rcsr-train, so test folders are left out. The map from its boxes to
those of --boxes is what `rcsr_jax.boxes.DLIB_BOXES` holds; without --boxes it is the one
to the typical box around the landmarks. `rcsr-export --detector_boxes=MAP.json` puts it
into a model.
"""

import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags

from rcsr_jax.boxes import BoxMap, calibrate_boxes
from rcsr_jax.config import DataConfig, ModelConfig
from rcsr_jax.data.sources import read_sources, use_each
from rcsr_jax.detection import accepted, detect_faces
from rcsr_jax.geometry import box_of
from rcsr_jax.markup import FACE_68, read_markup

from . import outputs, program, settings

_NUM_FACES = flags.DEFINE_integer("num_faces", 0, "At most; 0: all.", lower_bound=0)
_THRESHOLDS = flags.DEFINE_list(
    "thresholds", ["0.2", "0", "-0.2", "-0.4"], "Of the score, to compare."
)
_MIN_FACE = flags.DEFINE_float("min_face", None, "Smallest width of a face, in pixels.")
_MARKUP = flags.DEFINE_string("markup", None, "What the landmarks mean; a JSON file.")
_OUT = flags.DEFINE_string("out", None, "JSON file for the map.")
_DATA = settings.define_data_flags(DataConfig())


class _Photo(NamedTuple):
    """What was found where one face is annotated, with dlib's own boxes."""

    boxes: np.ndarray  # [found, 4]
    scores: np.ndarray  # [found]
    centre: np.ndarray  # [2], of the landmarks
    box: np.ndarray  # [4], the annotated one
    seconds: float


def main(arguments: list[str]) -> None:
    """Detects, compares and prints."""
    program.no_arguments(arguments)
    data = _DATA()
    markup = read_markup(_MARKUP.value) if _MARKUP.value else FACE_68
    thresholds = [_number(value) for value in _THRESHOLDS.value]
    if _OUT.value:
        Path(_OUT.value).parent.mkdir(parents=True, exist_ok=True)
    sources, refused = read_sources(data.data, ModelConfig(markup=markup), data)
    chosen = np.random.default_rng(0).permutation(len(sources))
    chosen = np.sort(chosen[: _NUM_FACES.value or None])
    with outputs.bar(total=len(chosen), unit="photo") as bar:
        photos, unused = use_each(
            [sources[i] for i in chosen],
            lambda source: _detect(*source.load(), threshold=min(thresholds)),
            purpose="looked at",
            strict=data.strict,
            on_progress=lambda *_: bar.update(),
        )
    outputs.tell_refused(refused + unused)
    milliseconds = 1e3 * np.mean([photo.seconds for photo in photos])
    print(f"{len(photos)} faces, {milliseconds:.1f} ms a photo")
    for threshold in thresholds:
        _tell(photos, threshold)
    pairs = [(*hit, photo.box) for photo in photos if len(hit := _hits(photo))]
    if not pairs:
        raise ValueError(f"none of {len(photos)} faces was found: there is no map.")
    theirs, ours = np.array([(box, ours) for box, ours in pairs]).swapaxes(0, 1)
    box_map = calibrate_boxes(theirs, ours=ours)
    print(json.dumps(box_map.to_dict()))
    if _OUT.value:
        outputs.write_json(Path(_OUT.value), box_map.to_dict())
    for name, used in (("as they are", BoxMap()), ("mapped", box_map)):
        offset, size = _difference(used.apply(theirs), ours)
        print(
            f"boxes {name}: median offset {100 * np.median(offset):.1f} % of the width, "
            f"median log size {np.median(size):+.3f}, its deviation {size.std():.3f}"
        )


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise ValueError(f"--thresholds must be numbers; got {value!r}.") from error


def _detect(
    image: np.ndarray, points: np.ndarray, box: np.ndarray, *, threshold: float
) -> _Photo:
    started = time.perf_counter()
    found = detect_faces(
        image, threshold=threshold, min_face=_MIN_FACE.value, box_map=BoxMap()
    )
    seconds = time.perf_counter() - started
    x0, y0, x1, y1 = box_of(points)
    centre = np.array([x0 + x1, y0 + y1]) / 2
    return _Photo(found.boxes, found.scores, centre, box, seconds)


def _around_face(photo: _Photo) -> np.ndarray:
    """bool [found], which boxes hold the middle of the annotated face."""
    low, high = photo.boxes[:, :2], photo.boxes[:, 2:]
    inside = (low < photo.centre) & (photo.centre < high)
    return np.asarray(inside.all(axis=-1))


def _hits(photo: _Photo) -> np.ndarray:
    """float [0 or 1, 4], the surest box of the annotated face."""
    return photo.boxes[_around_face(photo)][:1]


def _tell(photos: list[_Photo], threshold: float) -> None:
    around = [_around_face(photo) for photo in photos]
    clear = [photo.scores >= threshold for photo in photos]
    taken = [accepted(photo.scores, threshold=threshold) for photo in photos]
    for name, kept in (("above it", clear), ("taken", taken)):
        pairs = list(zip(around, kept, strict=True))
        recall = np.mean([(here & these).any() for here, these in pairs])
        others = np.mean([(~here & these).sum() for here, these in pairs])
        print(
            f"threshold {threshold:+.1f}, {name}: {100 * recall:.1f} % of the faces, "
            f"{others:.3f} other boxes a photo"
        )


def _difference(boxes: np.ndarray, ours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of the centres in widths, and log of the ratio of the sides' means."""
    middle, size = (
        np.stack([(b[:, :2] + b[:, 2:]) / 2 for b in (boxes, ours)]),
        np.stack([b[:, 2:] - b[:, :2] for b in (boxes, ours)]),
    )
    offset = np.linalg.norm(middle[0] - middle[1], axis=-1) / size[1, :, 0]
    return offset, np.log(size[0].mean(-1) / size[1].mean(-1))


if __name__ == "__main__":
    program.run(main)
