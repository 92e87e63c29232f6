"""The faces of a run: cut before it begins, held apart, and told in its work folder."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rcsr_jax import hosts
from rcsr_jax.config import RunConfig
from rcsr_jax.data.batches import TrainingSet
from rcsr_jax.data.crops import CropCache
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.data.rows import joined
from rcsr_jax.data.training_faces import open_faces, open_last_faces
from rcsr_jax.progress import Progress
from rcsr_jax.records import check_same_faces, write_config, write_refused


class RunFaces(NamedTuple):
    """The faces of a run.

    Attributes:
        training: to train on.
        validation: held out.
        last: for the last updates alone, if there are such.
    """

    training: CropCache
    validation: CropCache
    last: CropCache | None

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """What was left out; a face of both parts is named once for a reason."""
        every = self.training.refused + (self.last.refused if self.last else ())
        return tuple(dict.fromkeys(every))

    @property
    def training_set(self) -> TrainingSet:
        """What updates are made of: those of the last ones behind the others."""
        crops, points = self.training.crops, self.training.points
        if self.last is None:
            return TrainingSet(crops, points)
        return TrainingSet(
            joined([crops, self.last.crops]),
            joined([points, self.last.points]),
            num_last=len(self.last.names),
        )


def open_run_faces(
    config: RunConfig,
    workdir: Path,
    *,
    resuming: bool,
    on_progress: Callable[[Progress], None],
) -> RunFaces:
    """The faces of a run; the work folder is this run's then.

    Args:
        config: the run.
        workdir: where they are cut, unless they are already.
        resuming: whether a run goes on.
        on_progress: called now and then.

    Raises:
        ValueError: bad data, or other faces than those of the run that goes on.
    """

    def report(done: int, total: int) -> None:
        on_progress(Progress("data", done, total))

    def cut() -> RunFaces:
        model, data = config.model, config.data
        training, held = open_faces(model, data, folder=workdir, on_progress=report)
        last = None
        if data.last_data:
            last = open_last_faces(
                model, data, held=held, folder=workdir, on_progress=report
            )
        return RunFaces(training, held, last)

    opened = hosts.first_before_others(cut)
    check_same_faces(
        workdir,
        {name: part for name, part in opened._asdict().items() if part is not None},
        data=",".join(filter(None, [config.data.data, config.data.last_data])),
        resuming=resuming,
    )
    write_refused(workdir, opened.refused)
    write_config(workdir, config)
    return opened
