"""Fig. 10: the filters of the first layer, in descending order of their variance.

python -m rcsr_jax.experiments.paper.fig10 --budget=small --data=300W --boxes=BOXES.csv
    --out=DIR
    # about 12 minutes on two free cores; none with --checkpoint=DIR
"""

import numpy as np

from rcsr_jax.data.images import save_image
from rcsr_jax.plots import contact_sheet

from ..markdown import table
from .scoring import judge, score_adaptive
from .study import Study, finish, rcsr_model, run

_ZOOM, _COLUMNS = 6, 16


def make(study: Study) -> None:
    """Writes the sheet of filters; zero is mid-grey, each has its own scale."""
    predictor = rcsr_model(study)
    kernel = np.asarray(predictor.params["network"]["features"]["w1"])[:, :, 0]
    order = np.argsort(-kernel.var((0, 1)), kind="stable")
    filters = np.moveaxis(kernel, -1, 0)[order]
    sheet = contact_sheet([_shown(taps) for taps in filters], columns=_COLUMNS)
    save_image(study.out / "fig10.png", sheet)
    row = score_adaptive(study, "RCSR adaptive", predictor, judge(study, predictor))
    row["filters"] = order.tolist()
    row["variances"] = filters.var((1, 2)).tolist()
    finish(
        study,
        "fig10",
        title="Fig. 10: first-layer filters",
        rows=[row],
        tables=[
            table(
                ("Filters", "side", "largest variance", "least"),
                [
                    (
                        len(filters),
                        filters.shape[1],
                        f"{row['variances'][0]:.2e}",
                        f"{row['variances'][-1]:.2e}",
                    )
                ],
            )
        ],
        pictures=["fig10.png"],
    )


def _shown(taps: np.ndarray) -> np.ndarray:
    grey = np.rint(127.5 + 127.5 * taps / max(np.abs(taps).max(), 1e-12))
    return np.kron(grey.astype(np.uint8), np.ones((_ZOOM, _ZOOM), np.uint8))


if __name__ == "__main__":
    run(make)
