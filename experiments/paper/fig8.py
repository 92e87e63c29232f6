"""Fig. 8: a sheet of test faces with their landmarks, evenly spread from best to worst.

python -m rcsr_jax.experiments.paper.fig8 --budget=small --data=300W --boxes=BOXES.csv
    --out=DIR
    # about 12 minutes on two free cores; none with --checkpoint=DIR
"""

import numpy as np

from rcsr_jax.data.images import save_image
from rcsr_jax.plots import contact_sheet

from ..markdown import table
from .scoring import face_errors, face_picture, judge, score_adaptive
from .study import Study, finish, rcsr_model, run

_FACES, _COLUMNS = 32, 8


def make(study: Study) -> None:
    """Writes the sheet and the faces on it."""
    predictor = rcsr_model(study)
    found = judge(study, predictor)
    errors = face_errors(found.adaptive.points, found)
    count = min(_FACES, len(errors))
    ranks = np.linspace(0, len(errors) - 1, count).round().astype(int)
    faces = np.argsort(errors)[ranks]
    sources = {source.name: source for source in study.tests}
    pictures = [
        face_picture(sources[found.names[face]], found.adaptive.points[face])
        for face in faces
    ]
    sheet = contact_sheet(pictures, columns=_COLUMNS)
    save_image(study.out / "fig8.png", sheet)
    finish(
        study,
        "fig8",
        title="Fig. 8: test faces from best to worst",
        rows=[score_adaptive(study, "RCSR adaptive", predictor, found)],
        tables=[
            table(
                ("Face", "inter-ocular", "steps"),
                [
                    (
                        found.names[face],
                        float(100 * errors[face]),
                        int(found.adaptive.num_steps[face]),
                    )
                    for face in faces
                ],
            )
        ],
        pictures=["fig8.png"],
        shows_faces=True,
        notes=[
            f"{count} of {len(errors)} faces at even ranks of their error, row by row: not "
            "picked by hand"
        ],
    )


if __name__ == "__main__":
    run(make)
