"""Fig. 4: faces that stop early and faces that stop late, step by step.

python -m rcsr_jax.experiments.paper.fig4 --budget=small --data=300W --boxes=BOXES.csv
    --out=DIR
    # about 12 minutes on two free cores; none with --checkpoint=DIR
"""

import numpy as np

from rcsr_jax.data.images import save_image
from rcsr_jax.evaluation import Evaluation
from rcsr_jax.plots import contact_sheet

from ..markdown import table
from .scoring import face_errors, face_picture, judge, score_adaptive, with_steps
from .study import Study, finish, rcsr_model, run

_SHOWN = 5  # steps, as in the paper
_EACH = 3  # faces that stop early, and as many that stop late


def make(study: Study) -> None:
    """Shows the first shape, the shape after each step, and the last one."""
    predictor = with_steps(rcsr_model(study), _SHOWN)
    found = judge(study, predictor)
    early, late = _choose(found)
    sources = {source.name: source for source in study.tests}
    pictures, lines = [], []
    for stopped, faces in (("early", early), ("late", late)):
        for face in faces:
            name = found.names[face]
            shapes = [
                found.mean_shape[face],
                *found.fixed[:_SHOWN, face],
                found.adaptive.points[face],
            ]
            pictures += [face_picture(sources[name], shape) for shape in shapes]
            errors = 100 * face_errors(np.stack(shapes), _repeated(found, face, shapes))
            steps = int(found.adaptive.num_steps[face])
            lines.append([stopped, name, *map(float, errors), steps])
    sheet = contact_sheet(pictures, columns=_SHOWN + 2)
    save_image(study.out / "fig4.png", sheet)
    header = ["Stops", "Face", "mean shape", *(f"step {n + 1}" for n in range(_SHOWN))]
    finish(
        study,
        "fig4",
        title="Fig. 4: when faces stop",
        rows=[score_adaptive(study, "RCSR adaptive", predictor, found)],
        tables=[table([*header, "at the end", "steps"], lines)],
        pictures=["fig4.png"],
        shows_faces=True,
        notes=["a row of the picture for each row of the table, inter-ocular per cent"],
    )


def _choose(found: Evaluation) -> tuple[list[int], list[int]]:
    """The faces of fewest steps and least error, and those that gain most after step 5."""
    last = face_errors(found.adaptive.points, found)
    steps = found.adaptive.num_steps
    early = np.lexsort((last, steps))[:_EACH]
    gain = face_errors(found.fixed[_SHOWN - 1], found) - last
    late = [face for face in np.lexsort((-gain, -steps)) if face not in early]
    return early.tolist(), late[:_EACH]


def _repeated(found: Evaluation, face: int, shapes: list[np.ndarray]) -> Evaluation:
    """The truth of one face, once for each of its shapes."""
    return found._replace(truth=np.repeat(found.truth[[face]], len(shapes), axis=0))


if __name__ == "__main__":
    run(make)
