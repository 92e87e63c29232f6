"""Table 3: the test faces of LFPW, 68 and 49 landmarks.

python -m rcsr_jax.experiments.paper.table3 --budget=small --data=300W --boxes=BOXES.csv
    --out=DIR
    # about 12 minutes on two free cores; none with --checkpoint=DIR
python -m rcsr_jax.experiments.paper.table3 --budget=paper --data=300W --boxes=BOXES.csv
    --out=DIR
    # hours on a GPU
"""

from . import results
from .comparison import compare
from .study import Study, run


def make(study: Study) -> None:
    """Judges the paper's system on these faces and writes the table."""
    compare(study, 3, title="LFPW", layout=lambda rows: [results.point_table(rows)])


if __name__ == "__main__":
    run(make, parts=("lfpw/testset",))
