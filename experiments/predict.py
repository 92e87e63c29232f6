"""Finds the landmarks of the faces in photos.

rcsr-predict --out=DIR photo.jpg                       # finds the faces by itself
rcsr-predict --out=DIR --show_steps photos/ 'more/**/*.jpg'
rcsr-predict --checkpoint=DIR --boxes=BOXES.csv --out=DIR photo.jpg ...

Photos are files, folders or patterns. Finding faces needs dlib, pip install
"rcsr-jax[detect]". Videos and cameras need PyAV, pip install "rcsr-jax[video]":

rcsr-predict --out=DIR clip.mp4
rcsr-predict --out=DIR --video=0                       # a camera, until Ctrl-C

With --boxes none are searched: the CSV has the columns
image,x0,y0,x1,y1, and an image is looked up by its path as given, by its path relative
to the CSV, and by its name.

For each photo DIR gets NAME.json, NAME.pts (NAME_face1.pts, ... of several faces) and
NAME_overlay.png; for all of them faces.csv and summary.json. For each video it gets
NAME_overlay.mp4 and NAME.csv. The same command again goes on where it stopped, with
videos from their beginning. The exit code is 1 where a photo failed.
"""

import functools
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from absl import flags

from rcsr_jax.data.images import load_image
from rcsr_jax.data.names import shown
from rcsr_jax.detection import FoundBoxes
from rcsr_jax.inference import Faces, Predictor, load_predictor
from rcsr_jax.stream import map_ahead

from . import finding, outputs, settings
from .finding import FindBoxes
from .found import Found
from .inputs import Input, find_inputs
from .made_with import digest_of
from .out_folder import define_out
from .process import num_cores
from .results import Results
from .video import define_flags, track_video

_MODEL = settings.define_model_flags()
_FINDING = finding.define_flags()
_OUT = define_out()
_NUM_STEPS = settings.define_num_steps()
_OVERLAY = flags.DEFINE_boolean("overlay", True, "Draw the landmarks over the photo.")
_SHOW_BOXES = flags.DEFINE_boolean(
    "show_boxes", False, "Draw the boxes of the faces as well."
)
_SHOW_STEPS = flags.DEFINE_boolean(
    "show_steps", False, "Draw the way of each landmark to its place as well."
)
_SHOW_ERRORS = flags.DEFINE_boolean(
    "show_errors", False, "Draw how far off each landmark may be as well: an ellipse."
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Do photos again whose results are there."
)
_VIDEO = define_flags()
_JOBS = flags.DEFINE_integer(
    "jobs", 0, "Threads that load and write photos; 0: one per core.", lower_bound=0
)

_BATCH = 4  # faces; a few times as many photos are held until they are written


def main(arguments: list[str]) -> None:
    """Predicts, and writes the results of each photo and of all."""
    if not arguments[1:] and _VIDEO["video"].value is None:
        raise ValueError("no images: name photos or folders behind the flags.")
    out = _OUT()
    inputs = find_inputs(arguments[1:])
    failed = dict(inputs.empty)  # name -> reason
    of_photos = (_NUM_STEPS, _SHOW_BOXES, _SHOW_STEPS, _SHOW_ERRORS)
    if not inputs.photos and (given := [flag for flag in of_photos if flag.value]):
        raise ValueError(f"--{given[0].name} is for photos, and there is none.")
    predictor = load_predictor(_MODEL())
    find_boxes = finding.box_finder(
        box_map=predictor.config.detector_boxes, **_FINDING()
    )
    videos: list[tuple[Path | int, Input]] = [(v.path, v) for v in inputs.videos]
    if (camera := _VIDEO["video"].value) is not None:
        name = f"camera_{camera}"
        videos.append((camera, Input(name, Path(name), name)))
    failed |= _predict_videos(videos, predictor, find_boxes, out)
    if videos and not inputs.photos and not failed:
        return
    made_with = digest_of(
        predictor,
        finding=_FINDING(),
        num_steps=_NUM_STEPS.value,
        drawing=_drawing(),
    )
    results = Results(out, made_with=made_with, overwrite=_OVERWRITE.value)

    done: list[Input] = []
    waiting: list[Input] = []
    for photo in inputs.photos:
        try:
            (done if results.is_done(photo) else waiting).append(photo)
        except (ValueError, OSError) as error:
            failed[photo.name] = _reason(photo, error)
    num_before, reached = len(done), set[Input]()
    answers = _predict(waiting, predictor, results, find_boxes)
    with (
        closing(answers),
        outputs.bar(total=len(done + waiting), initial=num_before, unit="photo") as bar,
    ):
        try:
            # fewer answers than photos: what failed was the device, not a photo
            for photo, answer in zip(waiting, answers, strict=False):
                if isinstance(answer, Exception):
                    failed[photo.name] = _reason(photo, answer)
                else:
                    done.append(photo)
                reached.add(photo)
                bar.update()
        finally:  # what an interrupted run has done is told as well
            for photo in waiting:
                if photo in reached:
                    continue
                if results.was_written(photo):  # written, but its answer not yet taken
                    done.append(photo)
                else:
                    failed[photo.name] = "the run ended before it"
            path = _conclude(results, done, failed, num_before=num_before)
    if failed:
        first = "; ".join(f"{name}: {why}" for name, why in list(failed.items())[:3])
        raise ValueError(f"{len(failed)} failed (all of them: {path}): {first}")


def _predict_videos(
    videos: Sequence[tuple[Path | int, Input]],
    predictor: Predictor,
    find_boxes: FindBoxes,
    out: Path,
) -> dict[str, str]:
    """Predicts and writes videos; returns those that failed, and why."""
    failed = {}
    for source, video in videos:

        def detect(image: np.ndarray, video: Input = video) -> np.ndarray:
            return find_boxes(video, image)[0]

        try:
            num_frames, num_faces = track_video(
                source,
                out / video.result,
                predictor=predictor,
                detect=detect,
                given=_VIDEO,
                overlay=_OVERLAY.value,
            )
        except (ValueError, OSError) as error:
            failed[video.name] = _reason(video, error)
        else:
            print(f"{num_faces} faces in {num_frames} frames: {out / video.result}.csv")
    return failed


def _predict(
    photos: Sequence[Input],
    predictor: Predictor,
    results: Results,
    find_boxes: FindBoxes,
) -> Generator[Exception | None, None, None]:
    """Predicts and writes photos; for each None, or why it failed."""
    num_threads = _JOBS.value or num_cores()
    loaded: dict[Input, tuple[np.ndarray, FoundBoxes]] = {}  # and not yet written

    def load(photo: Input) -> tuple[np.ndarray, np.ndarray]:
        image = load_image(photo.path)
        found = find_boxes(photo, image)
        loaded[photo] = image, found
        return image, found[0]

    def write(answer: tuple[Input, Faces | Exception]) -> None:
        photo, faces = answer
        if isinstance(faces, Exception):
            loaded.pop(photo, None)
            raise faces
        image, found = loaded.pop(photo)
        results.write(
            photo,
            Found(image, *found, faces),
            markup=predictor.config.markup,
            **_drawing(),
        )

    answers = predictor.stream(
        (functools.partial(load, photo) for photo in photos),
        num_steps=_NUM_STEPS.value,
        batch_size=max(_BATCH, num_threads),
        num_threads=num_threads,
        return_exceptions=True,
    )
    return map_ahead(
        write,
        zip(photos, answers, strict=True),
        num_threads=num_threads,
        look_ahead=num_threads,
    )


def _drawing() -> dict[str, bool]:
    """What is drawn over the photos."""
    return {
        "overlay": _OVERLAY.value,
        "boxes": _SHOW_BOXES.value,
        "steps": _SHOW_STEPS.value,
        "errors": _SHOW_ERRORS.value,
    }


def _conclude(
    results: Results,
    done: Sequence[Input],
    failed: Mapping[str, str],
    *,
    num_before: int,
) -> Path:
    """Writes what is told of all photos, and says it."""
    counts = results.write_table(done)
    blank = [photo.name for photo, count in zip(done, counts, strict=True) if not count]
    path = results.write_summary(
        {
            "photos_done": len(done),
            "of_these_done_before": num_before,
            "faces": sum(counts),
            "without_a_face": blank,
            "failed": dict(failed),
        }
    )
    before = f", {num_before} of them done before" if num_before else ""
    without = f", {len(blank)} without a face" if blank else ""
    print(f"{sum(counts)} faces in {len(done)} photos{before}{without}: {path.parent}")
    return path


def _reason(photo: Input, error: Exception) -> str:
    """What went wrong, without the path that messages begin with."""
    text = shown(" ".join(str(error).split()), limit=1000).rstrip(".")
    text = text.removeprefix(f"{photo.path}: ")
    known = isinstance(error, ValueError | OSError)
    return text if known and text else f"{type(error).__name__}: {text}"


def run() -> None:
    """The console command."""
    settings.run(main)


if __name__ == "__main__":
    run()
