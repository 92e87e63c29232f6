"""What every table and figure shares: the faces, a trained model, the files it writes.

A runner is a function of a `Study`; `run` makes the study from the command line.
"""

import dataclasses
import functools
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from absl import flags

from rcsr_jax.config import RunConfig, replace_fields
from rcsr_jax.data.cutting import Source
from rcsr_jax.data.sources import DRAWN, read_sources
from rcsr_jax.data.splits import (
    TEST_SETS,
    TRAINING,
    FoundPart,
    describe_parts,
    find_parts,
    folders_of,
    names_of_test_sets,
    size_of,
)
from rcsr_jax.data.whole_files import write_whole
from rcsr_jax.inference import Predictor, load_predictor
from rcsr_jax.markup import FACE_68
from rcsr_jax.progress import Progress
from rcsr_jax.training import train

from .. import outputs, process, program
from . import results
from .budgets import BUDGETS, RCSR, Budget


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """The faces, the budget and the folder of one table or figure.

    Attributes:
        budget: how much it may spend.
        run: the run of the paper's own system, on these faces.
        tests: the faces to judge on.
        test_sets: names of the faces of each test set that is there.
        notes: what a reader of the numbers must know.
        out: folder for all files.
        checkpoint: a model to take instead of training one; empty: none.
        trains: whether any model is trained.
        started: when, by `time.monotonic`.
    """

    budget: Budget
    run: RunConfig
    tests: Sequence[Source]
    test_sets: Mapping[str, Sequence[str]]
    notes: tuple[str, ...]
    out: Path
    checkpoint: str = ""
    trains: bool = True
    started: float = dataclasses.field(default_factory=time.monotonic)


def open_study(
    *,
    data: str,
    out: str | Path,
    boxes: str = "",
    budget: str = "small",
    seed: int = 0,
    checkpoint: str = "",
    several: bool = False,
    parts: Sequence[str] = TEST_SETS["full"],
) -> Study:
    """The study of a folder of 300-W, or of drawn faces.

    Args:
        data: the folder, or "drawn".
        out: folder for all files.
        boxes: CSV of face boxes; empty: boxes from the annotations.
        budget: one of `BUDGETS`.
        seed: of everything random.
        checkpoint: a model to take instead of training one.
        several: other models are trained as well.
        parts: of 300-W, to judge on.

    Raises:
        ValueError: there is nothing to train or to judge on.
    """
    spent = BUDGETS[budget]()
    common = {"data": data, "boxes": boxes, "seed": seed}
    run = replace_fields(spent.run, common)
    told = [f"budget {budget}"]
    trains = several or not checkpoint
    if data == DRAWN:
        test = dataclasses.replace(
            run.data, split="test", drawn_faces=spent.drawn_tests
        )
        tests, refused = read_sources(data, run.model, test)
        test_sets: Mapping[str, Sequence[str]] = {
            DRAWN: [source.name for source in tests]
        }
        told.append("drawn faces, not 300-W")
    else:
        found = find_parts(data, boxes=boxes or None)
        if not (split := folders_of(found, parts)):
            lines = "; ".join(describe_parts(found, parts))
            raise ValueError(f"{data} has no face to judge on: {lines}.")
        training = folders_of(found, TRAINING)
        if not training and trains:
            raise ValueError(f"{data} has no face to train on: {', '.join(TRAINING)}.")
        told += describe_parts(found, [*(TRAINING if trains else ()), *parts])
        test = dataclasses.replace(run.data, split=split)
        tests, refused = read_sources(data, run.model, test)
        run = replace_fields(run, {"split": training} if trains else {})
        test_sets = {
            name: faces for name, faces in _sets(found, parts).items() if faces
        }
        count = sum(len(found[part].names) for part in TRAINING)
        if trains:
            told.append(
                f"{count} training faces, {run.data.validation_faces} of them held out"
            )
    outputs.tell_refused(refused)
    Path(out).mkdir(parents=True, exist_ok=True)
    return Study(
        budget=spent,
        run=run,
        tests=tests,
        test_sets=test_sets,
        notes=tuple(told),
        out=Path(out),
        checkpoint=checkpoint,
        trains=trains,
    )


def _sets(
    found: Mapping[str, FoundPart], parts: Sequence[str]
) -> Mapping[str, Sequence[str]]:
    """The test sets of the paper where all parts are judged on, else the parts."""
    if set(parts) == set(TEST_SETS["full"]):
        return names_of_test_sets(found)
    return {part: found[part].names for part in parts}


def model_folder(study: Study, name: str) -> Path:
    """Where `train_model` keeps a model."""
    return study.out / "models" / name


def train_model(study: Study, name: str, changes: Mapping[str, Any]) -> Predictor:
    """A model of the study's run with other settings, trained in `out/models/name`.

    A run that was interrupted goes on; one that is finished is taken as it is.

    Args:
        study: gives the run and the faces.
        name: of the folder.
        changes: settings in place of those of the run.
    """
    run = replace_fields(study.run, changes)
    if "num_updates" in changes:
        every = min(run.train.eval_every, run.train.num_updates)
        run = replace_fields(run, {"eval_every": every})
    workdir = model_folder(study, name)

    def tell(progress: Progress) -> None:
        if progress.checkpoint:
            print(
                f"{name}: update {progress.done} of {progress.total}, validation "
                f"{progress.nme:.2f} %, {progress.faces_per_second:.0f} faces/s",
                file=sys.stderr,
                flush=True,
            )

    jax.clear_caches()  # the programs of the model before
    train(run, workdir=workdir, on_progress=tell)
    return load_predictor(workdir)


def rcsr_model(study: Study) -> Predictor:
    """The paper's own system: the checkpoint that was named, or trained now."""
    if study.checkpoint:
        predictor = load_predictor(study.checkpoint)
        if predictor.config.markup != FACE_68:
            raise ValueError(
                f"{study.checkpoint} finds the landmarks of markup "
                f"{predictor.config.markup.name}; 300-W has {FACE_68.num_points}."
            )
        return predictor
    return train_model(study, "rcsr", {})


def finish(
    study: Study,
    name: str,
    *,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    tables: Sequence[str] = (),
    pictures: Sequence[str] = (),
    notes: Sequence[str] = (),
    shows_faces: bool = False,
) -> None:
    """Writes results.json and the page of a table or figure, and prints its tables.

    Args:
        study: where to, and on what.
        name: of the runner, as "table4".
        title: of the table or figure.
        rows: in the paper's order.
        tables: in Markdown.
        pictures: their file names in `study.out`.
        notes: further ones.
        shows_faces: whether the pictures do.
    """
    training = study.run.data
    told = {
        "name": name,
        "title": title,
        "notes": [*study.notes, *notes],
        "trained_on": f"{training.data} {training.split}" if study.trains else "",
        "checkpoint": study.checkpoint,
        "test_sets": {
            test_set: {
                "num_faces": len(faces),
                "expected": len(faces) if test_set == DRAWN else size_of(test_set),
            }
            for test_set, faces in study.test_sets.items()
        },
        "command": shlex.join(
            ["python", "-m", f"rcsr_jax.experiments.paper.{name}", *sys.argv[1:]]
        ),
        "device": f"{jax.devices()[0].device_kind}, {process.num_cores()} cores",
        "seconds": round(time.monotonic() - study.started, 1),
        # user and system: what it costs beside other work, twice the time of two cores
        "cpu_seconds": round(time.process_time(), 1),
        "pictures": list(pictures),
        "shows_people": shows_faces and training.data != DRAWN,
        "rows": rows,
    }
    outputs.write_json(study.out / "results.json", told)
    page = results.page(told, tables)
    write_whole(study.out / f"{name}.md", page)
    print(page)


def run(
    make: Callable[[Study], None],
    *,
    parts: Sequence[str] = TEST_SETS["full"],
    several: bool = False,
    takes_model: bool = True,
) -> None:
    """The program of a runner: its study comes from the command line.

    Args:
        make: the runner.
        parts: of 300-W, to judge on.
        several: it trains models that no checkpoint stands for.
        takes_model: a checkpoint may stand for the paper's own system.
    """
    # not at import: the programs of this package share names of flags with others
    data = flags.DEFINE_string(
        "data", None, "Folder of 300-W, or 'drawn'.", required=True
    )
    out = flags.DEFINE_string("out", None, "Folder for the results.", required=True)
    boxes = flags.DEFINE_string("boxes", "", "CSV of face boxes.")
    budget = flags.DEFINE_enum(
        "budget", "small", list(BUDGETS), "Two CPU cores, a GPU, or a mere trial."
    )
    seed = flags.DEFINE_integer("seed", 0, "Of everything random.", lower_bound=0)
    if takes_model:
        flags.DEFINE_string(
            "checkpoint",
            "",
            f"A trained {RCSR} to take instead of training one, or the name of weights "
            "that come with the package.",
        )

    @functools.wraps(make)  # its module's docstring is the help
    def main(arguments: list[str]) -> None:
        program.no_arguments(arguments)
        process.split_cpu(BUDGETS[budget.value]().run.train.batch_size)
        make(
            open_study(
                data=data.value,
                out=out.value,
                boxes=boxes.value,
                budget=budget.value,
                seed=seed.value,
                checkpoint=flags.FLAGS.checkpoint if takes_model else "",
                several=several,
                parts=parts,
            )
        )

    program.run(main, shared=(__name__,))
