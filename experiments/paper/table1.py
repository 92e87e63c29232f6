"""Table 1: the common, challenging and full test faces of 300-W.

python -m rcsr_jax.experiments.paper.table1 --budget=small --data=300W --boxes=BOXES.csv
    --out=DIR
    # about 12 minutes on two free cores; none with --checkpoint=DIR
python -m rcsr_jax.experiments.paper.table1 --budget=paper --data=300W --boxes=BOXES.csv
    --out=DIR
    # hours on a GPU
"""

from collections.abc import Mapping, Sequence
from typing import Any

from . import results
from .comparison import compare
from .study import Study, run


def make(study: Study) -> None:
    """Judges the paper's system on each test set and writes the table."""
    compare(study, 1, title="300-W", layout=_layout)


def _layout(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    ours = [row for row in rows if "sets" in row]
    return [results.set_table(rows), results.set_table(ours, num_points=49)]


if __name__ == "__main__":
    run(make)
