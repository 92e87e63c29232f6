"""Finds the landmarks of the faces in photos.

rcsr-predict --out=DIR photo.jpg                       # finds the faces by itself
rcsr-predict --out=DIR --show_steps photos/ 'more/**/*.jpg'
rcsr-predict --checkpoint=DIR --boxes=BOXES.csv --out=DIR photo.jpg ...

Photos are files, folders or patterns. Finding faces needs dlib, pip install
"rcsr-jax[detect]". Videos, also those in folders, and cameras need PyAV, pip install
"rcsr-jax[video]", and come after the photos:

rcsr-predict --out=DIR clip.mp4
rcsr-predict --out=DIR --video=0                       # a camera, until Ctrl-C

With --boxes none are searched: the CSV has the columns
image,x0,y0,x1,y1, and an image is looked up by its path as given, by its path relative
to the CSV, and by its name.

For each photo DIR gets NAME.json, NAME.pts (NAME_face1.pts, ... of several faces) and
NAME_overlay.png; for all of them faces.csv. For each video it gets NAME_overlay.mp4,
NAME.csv and NAME.json. summary.json tells of all. The same command again goes on where it
stopped, with an unfinished video from its beginning. Files that it did not write are not
replaced without --overwrite. The exit code is 1 where a photo or a video failed.
"""

import functools
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np
from absl import flags

from rcsr_jax.data.locks import alone_in
from rcsr_jax.data.names import shown
from rcsr_jax.inference import Predictor, load_predictor

from . import finding, outputs, program, settings
from .conclusion import conclude
from .finding import FindBoxes
from .inputs import Input, Inputs, find_inputs
from .made_with import digest_of
from .out_folder import define_out
from .passed_over import passed_message
from .photos import predict_into
from .process import num_cores
from .results import Results, owner_of
from .video import define_flags, track_into
from .video_results import Counts, VideoResults

_MODEL = settings.define_model_flags()
_FINDING = finding.define_flags()
_OUT = define_out()
_NUM_STEPS = settings.define_num_steps()
_MIN_SCORE = flags.DEFINE_float(
    "min_score",
    0.0,
    "Leave out faces of photos whose score is below this; some are no faces at all.",
    lower_bound=0,
    upper_bound=1,
)
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
    "overwrite",
    False,
    "Do photos and videos again whose results are there; replace other files as well.",
)
_VIDEO = define_flags()
_JOBS = flags.DEFINE_integer(
    "jobs", 0, "Threads that load and write photos; 0: one per core.", lower_bound=0
)

_ERROR_NUMBER = re.compile(r"^\[Errno -?\d+\] ")
Told = TypeVar("Told")


def main(arguments: list[str]) -> None:
    """Predicts, and writes the results of each photo and of all."""
    if not arguments[1:] and _VIDEO["video"].value is None:
        raise ValueError("no images: name photos or folders behind the flags.")
    out = _OUT()
    inputs = find_inputs(
        arguments[1:],
        owner_of=functools.partial(owner_of, out),
        why_not=_why_not(_FINDING()["table"]),
    )
    if told := passed_message(inputs.passed_over, reasons=inputs.reasons):
        print(told, file=sys.stderr)
    failed = dict(inputs.empty)  # name -> reason
    of_photos = (_NUM_STEPS, _MIN_SCORE, _SHOW_BOXES, _SHOW_STEPS, _SHOW_ERRORS, _JOBS)
    if not inputs.photos and (given := [flag for flag in of_photos if flag.value]):
        raise ValueError(f"--{given[0].name} is for photos, and there is none.")
    drawn = (_SHOW_BOXES, _SHOW_STEPS, _SHOW_ERRORS)
    if not _OVERLAY.value and (given := [flag for flag in drawn if flag.value]):
        raise ValueError(
            f"--{given[0].name} draws over photos, and --nooverlay does not."
        )
    sources = _sources(inputs)
    if not sources and (given := [flag for flag in _VIDEO.values() if flag.present]):
        raise ValueError(f"--{given[0].name} is for videos, and there is none.")
    predictor = load_predictor(_MODEL())
    find_boxes = finding.box_finder(
        box_map=predictor.config.detector_boxes, **_FINDING()
    )
    out.mkdir(parents=True, exist_ok=True)
    with alone_in(out):
        _predict_all(out, inputs, sources, failed, predictor, find_boxes)


def _predict_all(
    out: Path,
    inputs: Inputs,
    sources: dict[Input, Path | int],
    failed: dict[str, str],
    predictor: Predictor,
    find_boxes: FindBoxes,
) -> None:
    """Predicts what is not done yet, photos first, and concludes however that ends."""
    results, video_results = _results(out, predictor)
    photos_before, waiting = _sort_out(inputs.photos, results.is_done, failed)
    videos_before, videos = _sort_out(sources, video_results.counts, failed)
    done, tracked = list(photos_before), dict(videos_before)
    for video, counts in tracked.items():
        _tell_video(counts, video_results.table(video), before=True)
    try:
        _predict(waiting, done, failed, predictor, results, find_boxes)
        for video in videos:
            try:
                tracked[video] = track_into(
                    video_results,
                    video,
                    sources[video],
                    predictor=predictor,
                    find_boxes=find_boxes,
                    given=_VIDEO,
                    overlay=_OVERLAY.value,
                )
            except (ValueError, OSError) as error:
                failed[video.name] = _reason(video, error)
            else:
                _tell_video(tracked[video], video_results.table(video))
    finally:  # what an interrupted run has done is told as well
        reached = {*done, *tracked}
        for item in (*waiting, *videos):
            if item in reached or item.name in failed:
                continue
            if results.was_written(item):  # written, but its answer not yet taken
                done.append(item)
            else:
                failed[item.name] = "the run ended before it"
        path = conclude(
            results,
            done,
            failed,
            num_before=len(photos_before),
            videos=tracked,
            passed_over=inputs.passed_over,
            min_score=_MIN_SCORE.value,
        )
    if failed:
        first = "; ".join(f"{name}: {why}" for name, why in list(failed.items())[:3])
        raise ValueError(f"{len(failed)} failed (all of them: {path}): {first}")


def _why_not(table: str | None) -> Callable[[str, Path], str]:
    """What tells why a video of a folder is passed over: whoever has photos may have clips.

    Args:
        table: of boxes, which is read where there is a video; None: there is none.
    """
    boxes = functools.cache(functools.partial(finding.box_finder, table=table))

    def why_not(name: str, path: Path) -> str:
        if importlib.util.find_spec("av") is None:
            return 'to use videos pip install "rcsr-jax[video]"'
        if table is not None:
            find_boxes = boxes()
            try:
                find_boxes(Input(name, path, name), np.empty(0))
            except ValueError:
                return f"to use videos give them rows in {table}"
        return ""

    return why_not


def _results(out: Path, predictor: Predictor) -> tuple[Results, VideoResults]:
    """Where the results of photos and of videos go."""
    digest = functools.partial(digest_of, predictor, finding=_FINDING())
    of_videos = {name: flag.value for name, flag in _VIDEO.items() if name != "video"}
    photos = Results(
        out,
        made_with=digest(
            num_steps=_NUM_STEPS.value,
            drawing=_drawing(),
            more={"min_score": _MIN_SCORE.value} if _MIN_SCORE.value else None,
        ),
        overwrite=_OVERWRITE.value,
    )
    videos = VideoResults(
        out,
        made_with=digest(num_steps=None, more={**of_videos, "overlay": _OVERLAY.value}),
        overwrite=_OVERWRITE.value,
    )
    return photos, videos


def _sources(inputs: Inputs) -> dict[Input, Path | int]:
    """The videos, and the camera where one is recorded."""
    sources: dict[Input, Path | int] = {video: video.path for video in inputs.videos}
    if (camera := _VIDEO["video"].value) is not None:
        name = f"camera_{camera}"
        sources[Input(name, Path(name), name)] = int(camera)
    return sources


def _sort_out(
    items: Iterable[Input], look: Callable[[Input], Told | None], failed: dict[str, str]
) -> tuple[dict[Input, Told], list[Input]]:
    """What is done already, and what is waiting; the rest goes to those that failed."""
    done: dict[Input, Told] = {}
    waiting = []
    for item in items:
        try:
            told = look(item)
        except (ValueError, OSError) as error:
            failed[item.name] = _reason(item, error)
        else:
            if told:
                done[item] = told
            else:
                waiting.append(item)
    return done, waiting


def _predict(
    waiting: Sequence[Input],
    done: list[Input],
    failed: dict[str, str],
    predictor: Predictor,
    results: Results,
    find_boxes: FindBoxes,
) -> None:
    """Predicts photos; each goes to those that are done or to those that failed."""
    answers = predict_into(
        results,
        waiting,
        predictor=predictor,
        find_boxes=find_boxes,
        num_steps=_NUM_STEPS.value,
        num_threads=_JOBS.value or num_cores(),
        drawing=_drawing(),
        min_score=_MIN_SCORE.value,
    )
    total, before = len(done) + len(waiting), len(done)
    with (
        closing(answers),
        outputs.bar(total=total, initial=before, unit="photo") as bar,
    ):
        # fewer answers than photos: what failed was the device, not a photo
        for photo, answer in zip(waiting, answers, strict=False):
            if isinstance(answer, Exception):
                failed[photo.name] = _reason(photo, answer)
            else:
                done.append(photo)
            bar.update()


def _drawing() -> dict[str, bool]:
    """What is drawn over the photos."""
    return {
        "overlay": _OVERLAY.value,
        "boxes": _SHOW_BOXES.value,
        "steps": _SHOW_STEPS.value,
        "errors": _SHOW_ERRORS.value,
    }


def _tell_video(counts: Counts, table: Path, *, before: bool = False) -> None:
    done = ", done before" if before else ""
    print(f"{counts.faces} faces in {counts.frames} frames{done}: {table}")


def _reason(photo: Input, error: Exception) -> str:
    """What went wrong, without the path that messages begin with."""
    text = shown(" ".join(str(error).split()), limit=1000).rstrip(".")
    text = _ERROR_NUMBER.sub("", text.removeprefix(f"{photo.path}: "))
    known = isinstance(error, ValueError | OSError)
    return text if known and text else f"{type(error).__name__}: {text}"


def run() -> None:
    """The console command."""
    program.run(main)


if __name__ == "__main__":
    run()
