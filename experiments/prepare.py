"""Cuts and checks every face of a data set once; rcsr-train takes the folder as --data.

rcsr-prepare --data=300W --boxes=BOXES.csv --out=DIR

When it was killed the same command goes on where it stopped; when it has finished, it finds
that out and changes nothing.
"""

import csv
from pathlib import Path

from absl import flags

from rcsr_jax.config import DataConfig, ModelConfig
from rcsr_jax.data import crops
from rcsr_jax.data.sources import read_sources

from . import outputs, settings
from .process import num_cores

_OUT = flags.DEFINE_string("out", None, "Folder for the crops.", required=True)
_JOBS = flags.DEFINE_integer(
    "jobs", 0, "Processes that cut faces; 0: one per core.", lower_bound=0
)
_config = settings.define_run_flags(ModelConfig, DataConfig)


def main(arguments: list[str]) -> None:
    """Prepares, and lists what was refused in refused.csv."""
    settings.no_arguments(arguments)
    config = _config()
    out = Path(_OUT.value)
    if out.is_dir() and any(out.iterdir()) and not crops.is_cache(out):
        raise ValueError(f"{out} holds something else; choose a new folder.")
    sources, refused = read_sources(config.data.data, config.model, config.data)
    with outputs.bar(total=len(sources), desc="faces") as bar:
        cache = crops.open_or_build(
            out,
            sources,
            model=config.model,
            data=config.data,
            jobs=_JOBS.value or num_cores(),
            on_progress=lambda *_: bar.update(),
        )
    refused += cache.refused
    with (out / "refused.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "reason"), *refused])
    print(f"{len(cache.names)} faces in {out}, {len(refused)} refused")


def run() -> None:
    """The console command."""
    settings.run(main)


if __name__ == "__main__":
    run()
