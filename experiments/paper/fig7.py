"""Fig. 7: models trained with 5, 10, 20 and 30 recurrences, followed for 30.

python -m rcsr_jax.experiments.paper.fig7 --budget=small --data=300W --boxes=BOXES.csv
    --out=DIR
    # about 15 minutes on two free cores, much of it compilation
python -m rcsr_jax.experiments.paper.fig7 --budget=paper --data=300W --boxes=BOXES.csv
    --out=DIR
    # a day on a GPU (counted, not measured)
"""

from rcsr_jax.curves import save_convergence

from ..markdown import table
from .scoring import judge, score, with_steps
from .study import Study, finish, run, train_model

TRAINED_STEPS = (5, 10, 20, 30)


def make(study: Study) -> None:
    """Trains the four models and writes their errors by recurrence."""
    rows, curves = [], {}
    last = max(TRAINED_STEPS)
    for steps in TRAINED_STEPS:
        name = f"RCSR{steps}"
        changes = {
            "num_steps": steps,
            "step_weights": "log_range",  # section 4.4
            "num_updates": study.budget.recurrence_updates,
            "calibrate": False,
        }
        predictor = with_steps(train_model(study, name.lower(), changes), last)
        found = judge(study, predictor)
        by_step = {
            step: score(study, name, points, found)
            for step, points in enumerate(found.fixed[:last], start=1)
        }
        curves[name] = {step: row["nme_interocular"] for step, row in by_step.items()}
        best = min(curves[name], key=curves[name].__getitem__)
        rows.append(
            by_step[steps]
            | {
                "best_step": best,
                "nme_interocular_best": curves[name][best],
                "nme_interocular_last": curves[name][last],
                "by_step": curves[name],
            }
        )
    save_convergence(study.out / "fig7.png", curves)
    finish(
        study,
        "fig7",
        title="Fig. 7: recurrences in training",
        rows=rows,
        tables=[
            table(
                (
                    "Method",
                    "inter-ocular",
                    "inter-pupil",
                    "best step",
                    "inter-ocular there",
                    f"after {last}",
                ),
                [
                    (
                        row["method"],
                        row["nme_interocular"],
                        row["nme_interpupil"],
                        row["best_step"],
                        row["nme_interocular_best"],
                        row["nme_interocular_last"],
                    )
                    for row in rows
                ],
            )
        ],
        pictures=["fig7.png"],
        notes=[
            f"{study.budget.recurrence_updates} updates of "
            f"{study.run.train.batch_size} faces each; errors after as many steps as in "
            "training"
        ],
    )


if __name__ == "__main__":
    run(make, several=True, takes_model=False)
