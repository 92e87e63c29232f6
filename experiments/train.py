"""Trains a landmark model, or goes on with one that was interrupted.

rcsr-train --data=drawn --preset=demo --workdir=DIR     # a minute or two on two cores
rcsr-train --data=300W --boxes=BOXES.csv --workdir=DIR  # base: two to four hours

On several machines a process for each, with one work folder for all: see docs/hosts.md.

SIGTERM, Ctrl-C and a closed terminal have it save where it stands and exit with code 75:
the same command goes on from there. Before the first update there is nothing to save, and
they end it as usual.
"""

import contextlib
import math
import sys

import jax
from absl import flags
from tqdm import tqdm

from rcsr_jax.config import (
    AugmentConfig,
    DataConfig,
    ModelConfig,
    RunConfig,
    TrainConfig,
)
from rcsr_jax.data.sources import DRAWN, last_names_of, names_of
from rcsr_jax.progress import Progress, TrainResult
from rcsr_jax.training import train

from . import cluster, process, program, settings
from .out_folder import must_have_name

STOPPED = 75  # EX_TEMPFAIL of sysexits.h: to be tried again
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder for crops, checkpoints and metrics.", required=True
)
must_have_name("workdir")
_CPU_DEVICES = flags.DEFINE_integer(
    "cpu_devices",
    0,
    "Devices that a CPU is seen as; 0: one per core, as far as they divide the batch, and "
    "one where several processes train together.",
    lower_bound=0,
)
_config = settings.define_run_flags(ModelConfig, DataConfig, AugmentConfig, TrainConfig)


def main(arguments: list[str]) -> None:
    """Trains and reports."""
    program.no_arguments(arguments)
    config = _config()
    plan = _plan(config)
    joined = cluster.join()
    num_devices = _CPU_DEVICES.value or int(joined)
    process.split_cpu(config.train.batch_size, num_devices=num_devices)
    first = jax.process_index() == 0
    if first:
        devices = jax.devices()
        among = f" in {jax.process_count()} processes" if joined else ""
        _say(f"devices: {len(devices)} x {devices[0].device_kind}{among}")
        _say(plan)
    stop = process.StopRequest()

    def show(progress: Progress) -> None:
        if progress.compile_seconds > 0:  # the first update is done: work to save
            stop.listen()
        if first:
            bar.show(progress)

    with _Bar() as bar, cluster.together() if joined else contextlib.nullcontext():
        result = train(
            config, workdir=_WORKDIR.value, on_progress=show, should_stop=stop
        )
    if first:
        _report(result)
    if result.told:
        sys.exit(STOPPED)


def _plan(config: RunConfig) -> str:
    """What is about to be done: a default that was not meant shows before the work."""
    data = config.data

    def told(names: list[str]) -> str:
        drawn = f"{data.drawn_faces:,} drawn faces"
        return " and ".join(drawn if name == DRAWN else name for name in names)

    ours = "" if flags.FLAGS["data"].present else " (no --data given)"
    last = f", the last {config.train.last_updates:,} on {told(last_names_of(data))}"
    return (
        f"preset {flags.FLAGS['preset'].value}: {config.train.num_updates:,} updates on "
        f"{told(names_of(data))}{ours}{last if data.last_data else ''}"
    )


def _report(result: TrainResult) -> None:
    if result.skipped:
        _say(f"{result.skipped} updates were skipped: their gradients were not finite")
    if result.num_refused:
        _say(
            f"{result.num_refused} faces were left out; see "
            f"{_WORKDIR.value}/refused.csv"
        )
    error = _error(result)
    _say(
        f"{'finished' if result.finished else 'stopped'} after {result.step} updates on "
        f"{result.num_faces} faces{': ' if error else ''}{error}"
    )
    if not result.finished:
        _say("run the same command again to go on")


class _Bar:
    """A progress bar on a terminal, a line per validation elsewhere."""

    def __init__(self):
        self._bar = None
        self._shown: tuple[str, int] | None = None
        self._compiled = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.close()

    def show(self, progress: Progress) -> None:
        if progress.note:
            tqdm.write(f"note: {progress.note}", file=sys.stderr)
        if not self._compiled and progress.compile_seconds > 0:
            self._compiled = True
            tqdm.write(
                f"first update, with its compilation: {progress.compile_seconds:.1f} s",
                file=sys.stderr,
            )
        if not sys.stderr.isatty():
            self._print(progress)
            return
        shown = progress.stage, progress.total  # each data set has a bar of its own
        if self._bar is None or shown != self._shown:
            self.__exit__()
            unit = "face" if progress.stage == "data" else "update"
            self._bar = tqdm(total=progress.total, desc=progress.stage, unit=unit)
            self._shown = shown
        self._bar.n = progress.done
        if progress.stage == "train":
            self._bar.set_postfix_str(_describe(progress), refresh=False)
        self._bar.refresh()

    def _print(self, progress: Progress) -> None:
        if progress.stage == "data" and progress.done in (1, progress.total):
            _say(f"cutting crops: {progress.done} of {progress.total}")
        if progress.checkpoint:
            _say(f"update {progress.done} of {progress.total}: {_describe(progress)}")


def _describe(progress: Progress) -> str:
    if math.isnan(progress.compile_seconds):
        return "compiling"
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    parts = [
        f"loss {progress.loss:.4f}",
        _error(progress),
        f"{progress.faces_per_second:.0f} faces/s",
        f"{minutes}:{seconds:02d} left",
    ]
    return ", ".join(filter(None, parts))


def _error(told: Progress | TrainResult) -> str:
    """The validation error; empty before it is known."""
    if math.isnan(told.nme):
        return ""
    return (
        f"validation NME {told.nme:.2f} % inter-ocular (mean shape "
        f"{told.baseline_nme:.2f} %)"
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run() -> None:
    """The console command."""
    program.run(main, shared=[cluster.__name__], at_once=True)


if __name__ == "__main__":
    run()
