"""Writes the parameters of a trained model alone: an orbax folder, or one small file.

rcsr-export --checkpoint=WORKDIR --out=DIR          to the bit
rcsr-export --checkpoint=WORKDIR --out=FILE.npz     float16, as shipped with the package
"""

from pathlib import Path

from absl import flags

from rcsr_jax.checkpoint import export_params, load_params
from rcsr_jax.weights import SUFFIX, write_weights

from . import settings

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Work folder, checkpoint or weights file.", required=True
)
_OUT = flags.DEFINE_string(
    "out", None, "New folder, or new weights file where it ends in .npz.", required=True
)


def main(arguments: list[str]) -> None:
    """Exports."""
    settings.no_arguments(arguments)
    params, config = load_params(_CHECKPOINT.value)
    export = write_weights if Path(_OUT.value).suffix == SUFFIX else export_params
    export(_OUT.value, params=params, config=config)
    print(f"wrote {_OUT.value}")


def run() -> None:
    """The console command."""
    settings.run(main)


if __name__ == "__main__":
    run()
