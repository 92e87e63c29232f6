"""Writes the parameters of a trained model alone, as a small orbax folder.

rcsr-export --checkpoint=WORKDIR --out=DIR
"""

from absl import flags

from rcsr_jax.checkpoint import export_params, load_params

from . import settings

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Work folder or checkpoint.", required=True
)
_OUT = flags.DEFINE_string("out", None, "New folder.", required=True)


def main(arguments: list[str]) -> None:
    """Exports."""
    settings.no_arguments(arguments)
    params, config = load_params(_CHECKPOINT.value)
    export_params(_OUT.value, params=params, config=config)
    print(f"wrote {_OUT.value}")


def run() -> None:
    """The console command."""
    settings.run(main)


if __name__ == "__main__":
    run()
