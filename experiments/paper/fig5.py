"""Fig. 5: error against time, with deeper features and more dense layers.

python -m rcsr_jax.experiments.paper.fig5 --budget=small --data=300W --boxes=BOXES.csv
    --out=DIR
    # about 15 minutes on two free cores
python -m rcsr_jax.experiments.paper.fig5 --budget=paper --data=300W --boxes=BOXES.csv
    --out=DIR
    # a day or more on a GPU (counted, not measured)
"""

from rcsr_jax.config import replace_fields
from rcsr_jax.curves import save_trade_off

from ..markdown import table
from .budgets import depth_changes
from .scoring import judge, score_adaptive
from .study import Study, finish, run, train_model

DEPTHS = (0, 5, 10, 15, 20)  # 3x3 layers before the 1x1 one
DENSE_LAYERS = (1, 2, 3)


def make(study: Study) -> None:
    """Trains a model for each depth and number of dense layers, and times it."""
    shallow = replace_fields(study.run, study.budget.depth)
    steps = shallow.model.num_steps
    rows = []
    for dense in DENSE_LAYERS:
        for depth in DEPTHS:
            name = f"depth-{depth}-fc-{dense}"
            changes = {
                **study.budget.depth,
                **depth_changes(shallow, depth),
                "dense_layers": dense,
                "num_updates": study.budget.depth_updates,
                # T steps for every face, as the paper times it
                "max_steps": steps,
                "tolerance": 0.0,
                "calibrate": False,
            }
            predictor = train_model(study, name, changes)
            row = score_adaptive(study, name, predictor, judge(study, predictor))
            rows.append(row | {"depth": depth, "dense_layers": dense})
    save_trade_off(
        study.out / "fig5.png",
        {
            f"{dense} dense layer{'s' * (dense > 1)}": {
                f"{row['depth']}": (
                    row["milliseconds_per_face"],
                    row["nme_interocular"],
                )
                for row in rows
                if row["dense_layers"] == dense
            }
            for dense in DENSE_LAYERS
        },
    )
    finish(
        study,
        "fig5",
        title="Fig. 5: depth of the features and dense layers",
        rows=rows,
        tables=[
            table(
                ("Method", "inter-ocular", "inter-pupil", "ms per face", "parameters"),
                [
                    (
                        row["method"],
                        row["nme_interocular"],
                        row["nme_interpupil"],
                        row["milliseconds_per_face"],
                        row["parameters"],
                    )
                    for row in rows
                ],
            )
        ],
        pictures=["fig5.png"],
        notes=[
            f"{study.budget.depth_updates} updates of {study.run.train.batch_size} faces "
            f"each, {steps} steps; features {study.run.model.sampling}"
        ],
    )


if __name__ == "__main__":
    run(make, several=True, takes_model=False)
