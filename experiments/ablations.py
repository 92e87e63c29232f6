"""Trains a preset with one setting changed at a time, and judges each on held-out faces.

python -m rcsr_jax.experiments.ablations --preset=fast --data=300W --boxes=BOXES.csv
    --num_updates=500 --seeds=0,1 --out=DIR
python -m rcsr_jax.experiments.ablations ... --rows=settings  # sizes, variation, rates
python -m rcsr_jax.experiments.ablations ... --rows=crop    # of photos, which are cut anew
python -m rcsr_jax.experiments.ablations ... --rows=faces   # error by the number of faces
python -m rcsr_jax.experiments.ablations ... --rows=steps   # by the steps of training

The test faces are never looked at. Runs that are finished are taken as they are when the
command is repeated.
"""

import shlex
import sys

from absl import flags

from rcsr_jax.config import DataConfig, TrainConfig

from . import process, program, settings
from .out_folder import define_out
from .variants import ROWS, ablate

_OUT = define_out("Folder for runs and results.")
_ROWS = flags.DEFINE_enum("rows", "recipe", sorted(ROWS), "Which rows.")
_SEEDS = flags.DEFINE_list("seeds", ["0", "1"], "A run of each row for each of them.")
_config = settings.define_run_flags(DataConfig, TrainConfig)


def main(arguments: list[str]) -> None:
    """Trains, judges, and prints the table."""
    program.no_arguments(arguments)
    config = _config()
    seeds = settings.whole_numbers("seeds", _SEEDS.value, least=0)
    process.split_cpu(config.train.batch_size)
    told = ablate(
        config,
        rows=ROWS[_ROWS.value],
        seeds=seeds,
        out=_OUT(),
        command=shlex.join(["python", "-m", str(__spec__.name), *sys.argv[1:]]),
    )
    print(told)


if __name__ == "__main__":
    program.run(main)
