"""Table 2: the test faces of HELEN, 68 and 49 landmarks.

python -m rcsr_jax.experiments.paper.table2 --budget=small --data=300W --boxes=BOXES.csv
    --out=DIR
    # about 12 minutes on two free cores; none with --checkpoint=DIR
python -m rcsr_jax.experiments.paper.table2 --budget=paper --data=300W --boxes=BOXES.csv
    --out=DIR
    # hours on a GPU
"""

from . import results
from .comparison import compare
from .study import Study, run


def make(study: Study) -> None:
    """Judges the paper's system on these faces and writes the table."""
    compare(study, 2, title="HELEN", layout=lambda rows: [results.point_table(rows)])


if __name__ == "__main__":
    run(make, parts=("helen/testset",))
