"""Fig. 11: the memory of the convolutional GRU after the last step, for a few faces.

python -m rcsr_jax.experiments.paper.fig11 --budget=small --data=300W --boxes=BOXES.csv
    --out=DIR
    # about 12 minutes on two free cores; none with --checkpoint=DIR
"""

import numpy as np
from PIL import Image

from rcsr_jax.answers import predict
from rcsr_jax.data.images import save_image
from rcsr_jax.plots import contact_sheet

from ..markdown import table
from .scoring import face_picture, judge, score_adaptive
from .study import Study, finish, rcsr_model, run

_FACES, _MAPS, _SIDE = 3, 32, 96


def make(study: Study) -> None:
    """Writes each face with the maps of its memory that vary most."""
    predictor = rcsr_model(study)
    if predictor.config.cell != "conv_gru":
        raise ValueError(
            f"Fig. 11 shows the maps of a conv_gru; {study.checkpoint} has a "
            f"{predictor.config.cell}, whose memory has no maps."
        )
    found = judge(study, predictor)
    names = found.names[:_FACES]
    sources = {source.name: source for source in study.tests}
    pictures = []
    for face, name in enumerate(names):
        image, _, box = sources[name].load()
        crops, _ = predictor.crops(image, box)
        last = predict(predictor.params, crops, config=predictor.config)
        memory = np.asarray(last.hidden[0], np.float32)
        order = np.argsort(-memory.var((0, 1)), kind="stable")[:_MAPS]
        points = found.fixed[predictor.config.num_steps - 1, face]
        pictures.append(face_picture(sources[name], points, side=_SIDE))
        pictures += [_shown(memory[..., channel]) for channel in order]
    columns = 1 + min(_MAPS, predictor.config.hidden_size)
    sheet = contact_sheet(pictures, columns=columns)
    save_image(study.out / "fig11.png", sheet)
    finish(
        study,
        "fig11",
        title="Fig. 11: feature maps of the convolutional GRU",
        rows=[score_adaptive(study, "RCSR adaptive", predictor, found)],
        tables=[table(["Face"], [[name] for name in names])],
        pictures=["fig11.png"],
        shows_faces=True,
        notes=[f"after {predictor.config.num_steps} steps, the maps of most variance"],
    )


def _shown(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    grey = np.rint(255 * (values - low) / max(high - low, 1e-12)).astype(np.uint8)
    picture = Image.fromarray(grey).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
    return np.asarray(picture)


if __name__ == "__main__":
    run(make)
