"""Cuts and checks every face of a data set once; rcsr-train takes the folder as --data.

rcsr-prepare --data=300W --boxes=BOXES.csv --out=DIR
rcsr-prepare --teacher=base --preset=fast --data=300W --boxes=BOXES.csv --out=DIR

With --teacher the landmarks are the mean of the annotation and of what that model finds in
the face and its mirror image (--teacher=ONE,OTHER: what these find in the mean), once
annotation that is shifted as a whole has been moved back; the
--validation_faces, which rcsr-train holds out, keep theirs.

When it was killed the same command goes on where it stopped, but asks teachers again; when
it has finished, it finds that out and changes nothing.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from rcsr_jax.checkpoint import digest_of
from rcsr_jax.config import DataConfig, ModelConfig, RunConfig, to_dict
from rcsr_jax.data import crop_builds, crops
from rcsr_jax.data.cutting import Source
from rcsr_jax.data.refusals import refusal_table
from rcsr_jax.data.sources import read_sources
from rcsr_jax.data.whole_files import unfinished_name, write_whole
from rcsr_jax.inference import Predictor, load_predictor
from rcsr_jax.teaching import Taught, Teaching, teach

from . import outputs, program, settings
from .out_folder import define_out, folder_to_write
from .process import num_cores

_OUT = define_out("Folder for the crops.")
_JOBS = flags.DEFINE_integer(
    "jobs", 0, "Processes that cut faces; 0: one per core.", lower_bound=0
)
_TEACHERS = flags.DEFINE_list(
    "teacher",
    [],
    "Models that teach, the mean of their answers: work folders, checkpoints, exported "
    "folders or weights files, or presets of weights that come with the package.",
)
_SHARE = flags.DEFINE_float(
    "teacher_share", 0.5, "Of the teacher's answer in the landmarks, 0 to 1."
)
_PLACE = flags.DEFINE_boolean(
    "place",
    False,
    "First resize each annotated shape and move it to where the teacher sees it: for "
    "shapes that are right and places that are not.",
)
_APART = flags.DEFINE_float(
    "most_apart",
    np.inf,
    "Leave out faces whose annotation lies further from the teacher's answer, in eye "
    "distances.",
)
_SCORE = flags.DEFINE_float(
    "min_score", 0.0, "Leave out faces that the teacher scores lower."
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Replace crops of other faces or settings that are there."
)
_config = settings.define_run_flags(
    ModelConfig,
    DataConfig,
    # which of the faces a run takes, and when, is up to rcsr-train
    without=("training_faces", "last_data", "stream_faces"),
)

_REFUSED = "refused.csv"
_OURS = {_REFUSED, unfinished_name(_REFUSED), *crops.FILES}


def main(arguments: list[str]) -> None:
    """Prepares, and lists what was refused in refused.csv."""
    program.no_arguments(arguments)
    config = _config()
    _check_flags(config)
    out = _OUT()
    folder_to_write(out.parent)  # where the crops lie until they are whole
    _check_folder(out)
    sources, refused = read_sources(config.data.data, config.model, config.data)
    asked = ""
    if _TEACHERS.value:
        teachers = [_teacher(name, config.model) for name in _TEACHERS.value]
        asked = _asked(sources, teachers, config)
        before = crop_builds.open_asked(out, asked)  # teaching takes long
        if before and (out / _REFUSED).is_file():  # which a killed run has not written
            print(f"{len(before.names)} faces in {out}, as they were prepared before")
            return
        _check_replaced(out, crop_builds.asked_for(out) not in (None, asked))
        taught = _taught(sources, teachers, config)
        sources, refused = taught.sources, refused + taught.refused
    else:
        other = crop_builds.is_other_cache(
            out, sources, model=config.model, data=config.data
        )
        _check_replaced(out, other)
    with outputs.bar(total=len(sources), desc="faces") as bar:
        cache = crop_builds.open_or_build(
            out,
            sources,
            model=config.model,
            data=config.data,
            asked=asked,
            jobs=_JOBS.value or num_cores(),
            on_progress=lambda *_: bar.update(),
        )
    refused += cache.refused
    write_whole(out / _REFUSED, refusal_table(refused))
    print(f"{len(cache.names)} faces in {out}, {len(refused)} refused")


def _check_flags(config: RunConfig) -> None:
    """Checks that there is one data set, and nothing about teachers without any."""
    data = config.data.data
    if "," in data and not Path(data).exists():
        raise ValueError(
            f"--data={data} is no folder or file; prepare data sets one by one: rcsr-train "
            "takes the folders of several, with commas."
        )
    if not _TEACHERS.value:
        for given in (_SHARE, _PLACE, _APART, _SCORE):
            if given.present:
                raise ValueError(
                    f"--{given.name} is about a teacher: name one, --teacher."
                )


def _check_folder(out: Path) -> None:
    """Checks that a folder is none but that of crops."""
    if out.resolve() == Path.cwd():
        raise ValueError("--out must be a folder of its own, not the current one.")
    others = sorted({p.name for p in out.iterdir()} - _OURS) if out.is_dir() else []
    if others:
        raise ValueError(f"{out} holds {others[0]}; choose a new folder.")


def _check_replaced(out: Path, other: bool) -> None:
    """Checks that crops of something else are replaced only where that is asked for."""
    if other and not _OVERWRITE.value:
        raise ValueError(
            f"{out} holds the crops of other faces or settings; choose a new folder, or "
            "replace them with --overwrite."
        )


def _teaching() -> Teaching:
    return Teaching(
        share=_SHARE.value,
        place=_PLACE.value,
        most_apart=_APART.value,
        min_score=_SCORE.value,
    )


def _asked(
    sources: Sequence[Source], teachers: Sequence[Predictor], config: RunConfig
) -> str:
    """A digest of all that taught crops depend on."""
    made_from = crop_builds.fingerprint(sources, model=config.model, data=config.data)
    taught_by = [[digest_of(t.params), to_dict(t.config)] for t in teachers]
    how = dataclasses.astuple(_teaching()), config.data.validation_faces
    told = json.dumps([made_from, taught_by, how])
    return hashlib.sha256(told.encode()).hexdigest()


def _taught(
    sources: Sequence[Source], teachers: Sequence[Predictor], config: RunConfig
) -> Taught:
    """The faces with the landmarks that the teachers and the annotation agree on."""
    with outputs.bar(total=len(sources), desc="taught") as bar:
        return teach(
            sources,
            teachers,
            teaching=_teaching(),
            validation_faces=config.data.validation_faces,
            strict=config.data.strict,
            on_progress=lambda *_: bar.update(),
        )


def _teacher(name: str, pupil: ModelConfig) -> Predictor:
    """The model of this name as it sees, in mirror images as well; as sure as it is."""
    predictor = load_predictor(name)
    theirs, ours = predictor.config.markup, pupil.markup
    if not theirs.same_landmarks(ours):
        raise ValueError(
            f"the teacher {name} finds the {theirs.num_points} landmarks of {theirs.name}, "
            f"not the {ours.num_points} of {ours.name}."
        )
    config = dataclasses.replace(
        predictor.config, annotation_shift=(0.0, 0.0), mirror_average=True
    )
    return dataclasses.replace(predictor, config=config)


def run() -> None:
    """The console command."""
    program.run(main)


if __name__ == "__main__":
    run()
