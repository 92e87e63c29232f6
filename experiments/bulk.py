"""Finds the landmarks of large collections of photos, on many workers, as Parquet.

rcsr-bulk --out=DIR photos/ shards/*.tar                  # a worker for each GPU
rcsr-bulk --workers=8 --boxes=BOXES.csv --out=DIR photos/
rcsr-bulk --ray_address=auto --workers=64 --out=/shared/DIR /shared/photos/

Inputs are tar archives, and folders with photos or such archives at any depth. Each
archive, and each piece of a folder, is a shard of its own: DIR gets one Parquet file for
it, with a row for each face and one for each photo without, and _summary.json. A worker
that is killed is started again; where the whole run is, the same command goes on. No photo
is lost by that and no face comes twice. The exit code is 1 where a shard could not be done
or an archive not be read to its end; photos that could not be read are rows with an error.

Needs pip install "rcsr-jax[bulk]"; with --workers=0 this process does all by itself,
without Ray.
"""

import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import jax
from absl import flags

from rcsr_jax.data.locks import alone_in
from rcsr_jax.data.names import shown
from rcsr_jax.data.shards import Shard, find_shards, folder_of_shards
from rcsr_jax.inference import load_predictor
from rcsr_jax.shard_files import (
    SUFFIX,
    Counts,
    remove_others,
    what_ended_it,
    what_is_done,
)

from . import finding, outputs, process, program, settings
from .made_with import digest_of
from .out_folder import define_out
from .passed_over import count_passed, passed_message
from .workers import Job, do_here, do_on_ray, forget_tries, ray_running

_MODEL = settings.define_model_flags()
_OUT = define_out()
_FINDING = finding.define_flags()
_NUM_STEPS = settings.define_num_steps()
_SHARD = flags.DEFINE_integer(
    "photos_per_shard", 1000, "Of those that lie in folders.", lower_bound=1
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite",
    False,
    "Remove results of another model or of other settings, also those of other inputs.",
)
_WORKERS = flags.DEFINE_integer(
    "workers",
    None,
    "Processes with a model each; 0: this one alone, without Ray. By default one for each "
    "GPU of the machine, or one for every two cores.",
    lower_bound=0,
)
_CORES = flags.DEFINE_integer(
    "cores_per_worker",
    None,
    "By default the machine's cores, shared out.",
    lower_bound=1,
)
_GPUS = flags.DEFINE_float(
    "gpus_per_worker", None, "By default 1 where there are any.", lower_bound=0
)
_RAY = flags.DEFINE_string(
    "ray_address",
    None,
    "Of a running Ray cluster, auto for this machine's; takes --workers. By default Ray "
    "runs on this machine and ends with the program.",
)


def main(arguments: list[str]) -> None:
    """Does what is not done yet, and tells what there is then."""
    _check_workers()
    if not arguments[1:]:
        raise ValueError("no inputs: name folders or tar archives behind the flags.")
    out = Path(os.path.abspath(_OUT()))  # noqa: PTH100
    others: list[Path] = []
    shards = find_shards(
        arguments[1:], photos_per_shard=_SHARD.value, on_other=others.append
    )
    passed_over = count_passed(others)
    if told_of_others := passed_message(passed_over):
        print(told_of_others, file=sys.stderr)
    out.mkdir(parents=True, exist_ok=True)
    num_workers, cores, gpus = _workforce()
    with ExitStack() as at_end:
        at_end.enter_context(alone_in(out))
        if num_workers:
            # a driver that took the GPU would leave none to its workers
            jax.config.update("jax_platforms", "cpu")
            at_end.enter_context(
                ray_running(cores=num_workers * cores, address=_RAY.value)
            )
        job = _job(out, cores=cores)
        done = {
            shard.name: counts
            for shard in shards
            if (counts := _done(out, shard, job)) is not None
        }
        if removed := remove_others(
            out, shards, made_with=job.made_with, overwrite=_OVERWRITE.value
        ):
            print(
                f"{len(removed)} files of other inputs, made with another model or other "
                f"settings, are removed, {removed[0].name} the first",
                file=sys.stderr,
            )
        _remove_strangers(out, shards)
        num_before = len(done)
        waiting = [shard for shard in shards if shard.name not in done]
        if changed := [s for s in waiting if (out / f"{s.name}{SUFFIX}").exists()]:
            print(
                f"{len(changed)} shards are done again: their photos, or such that come "
                "before these in their folder, are not what they were",
                file=sys.stderr,
            )
        forget_tries(out)
        if num_workers:
            working = do_on_ray(waiting, job, num_workers=num_workers, gpus=gpus)
        else:
            working = do_here(waiting, job)
        try:
            with (
                closing(working),
                outputs.bar(total=len(shards), initial=num_before, unit="shard") as bar,
            ):
                for name, counts in working:
                    done[name] = counts
                    bar.update()
        finally:  # what an interrupted run has done is told as well
            broken = _broken_archives(out, shards, done)
            _tell(
                out,
                shards,
                done,
                num_before=num_before,
                passed_over=passed_over,
                broken=broken,
            )
        forget_tries(out)
    missing = [shard.name for shard in shards if shard.name not in done]
    if problems := _problems(missing, broken):
        raise ValueError(problems)


def _broken_archives(
    out: Path, shards: Iterable[Shard], done: Mapping[str, Counts]
) -> dict[str, str]:
    """The archives that could not be read to their end, those of earlier runs too, and why.

    Only files of archives in which something failed are looked into.
    """
    reasons = {
        shard.source: what_ended_it(out, shard)
        for shard in shards
        if not shard.photos and shard.name in done and done[shard.name].failed
    }
    return {source: reason for source, reason in reasons.items() if reason}


def _problems(missing: Sequence[str], broken: Mapping[str, str]) -> str:
    """What is left to the user, with the remedies; empty: nothing."""
    told = []
    if missing:
        told.append(
            f"{len(missing)} shards could not be done, {missing[0]} the first: each ended "
            "several workers. The same command tries again; more memory, or fewer "
            "--workers, may help."
        )
    if broken:
        told.append(
            f"{len(broken)} archives could not be read to their end, {next(iter(broken))} "
            "the first; what was before that is done. Replace them, or touch those that "
            "were only out of reach, and the same command does them again."
        )
    return " ".join(told)


def _check_workers() -> None:
    """Refuses flags of workers that would mean nothing, and to work for nothing.

    Raises:
        ValueError: there are such flags, or what writes the results is not installed.
    """
    if _WORKERS.value == 0:
        for flag in (_RAY, _GPUS):
            if flag.present:
                raise ValueError(
                    f"--{flag.name} is about workers, and with --workers=0 there is none."
                )
    if _RAY.present and _WORKERS.value is None:
        raise ValueError(
            "--ray_address needs --workers: this machine does not tell how many suit the "
            "cluster."
        )
    if importlib.util.find_spec("pyarrow") is None:
        package = "pyarrow" if _WORKERS.value == 0 else '"rcsr-jax[bulk]"'
        raise ValueError(
            f"the results are Parquet files, which need pyarrow: pip install {package}."
        )


def _workforce() -> tuple[int, int, float]:
    """How many workers there are, and the cores and GPUs of each."""
    cores, gpus = process.num_cores(), _num_gpus()
    num_workers = _WORKERS.value
    if num_workers is None:
        num_workers = gpus or max(cores // 2, 1)
    each = _GPUS.value if _GPUS.value is not None else float(gpus > 0)
    return num_workers, _CORES.value or max(cores // max(num_workers, 1), 1), each


def _job(out: Path, *, cores: int) -> Job:
    """What workers need to know; raises ValueError for what none of them could do."""
    checkpoint = os.path.abspath(_MODEL())  # noqa: PTH100
    found_by = _FINDING()
    if found_by["table"]:
        found_by["table"] = os.path.abspath(found_by["table"])  # noqa: PTH100
    finding.box_finder(**found_by)
    made_with = digest_of(
        load_predictor(checkpoint), finding=found_by, num_steps=_NUM_STEPS.value
    )
    return Job(
        checkpoint=checkpoint,
        finding=found_by,
        num_steps=_NUM_STEPS.value,
        out=str(out),
        made_with=made_with,
        overwrite=_OVERWRITE.value,
        cores=cores,
        keep_compiled=process.COMPILATION_CACHE.value,
    )


def _num_gpus() -> int:
    """The NVIDIA GPUs of this machine, told without taking one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name not in ("", "-1")])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def _done(out: Path, shard: Shard, job: Job) -> Counts | None:
    return what_is_done(out, shard, made_with=job.made_with, overwrite=job.overwrite)


def _remove_strangers(out: Path, shards: Iterable[Shard]) -> None:
    """Removes results of pieces that a folder had and has no more, if that is wanted.

    Raises:
        ValueError: it is not, and there are some: their faces would come twice.
    """
    names = {shard.name for shard in shards}
    folders = {folder_of_shards(shard.name) for shard in shards if shard.photos}
    strangers = [
        path
        for folder in sorted(folders)
        for path in out.glob(f"{folder}*{SUFFIX}")
        if path.name.removesuffix(SUFFIX) not in names
    ]
    if strangers and not _OVERWRITE.value:
        raise ValueError(
            f"{len(strangers)} files in {out} are of pieces that their folder has no more, "
            f"{strangers[0].name} the first: photos are gone, or --photos_per_shard was "
            "another. --overwrite removes them, or choose another --out."
        )
    for path in strangers:
        path.unlink()


def _tell(
    out: Path,
    shards: list[Shard],
    done: dict[str, Counts],
    *,
    num_before: int,
    passed_over: dict[str, int],
    broken: Mapping[str, str],
) -> None:
    """Prints and writes what there is.

    Args:
        out: the folder.
        shards: of the inputs.
        done: what became of those that are done.
        num_before: how many of these were done before.
        passed_over: files that are not read, by suffix.
        broken: archives that could not be read to their end, and why.
    """
    counts = [done[shard.name] for shard in shards if shard.name in done]
    told = {
        "shards": len(shards),
        "shards_done": len(counts),
        "of_these_done_before": num_before,
        **{
            field: sum(getattr(count, field) for count in counts)
            for field in Counts._fields
        },
        "passed_over": passed_over,
        "broken_archives": [
            {"archive": shown(source), "error": reason}
            for source, reason in broken.items()
        ],
    }
    for field in ("photos", "failed"):  # each has a row of its own that is no photo
        told[field] -= len(broken)
    outputs.write_json(out / "_summary.json", told)
    for reason in broken.values():  # which begins with the name
        print(shown(reason, limit=outputs.LONGEST_MESSAGE), file=sys.stderr)
    print(
        f"{told['faces']} faces in {told['photos']} photos, {told['failed']} of which "
        f"failed; {len(counts)} of {len(shards)} shards ({num_before} done before): {out}"
    )


def run() -> None:
    """The console command."""
    program.run(main)


if __name__ == "__main__":
    run()
