"""Recurrent Convolutional Shape Regression: face landmarks in JAX.

>>> import rcsr_jax
>>> predictor = rcsr_jax.load_predictor()                 # or the folder of your own
>>> faces = predictor(image, boxes)                       # uint8 photo, [n, 4] boxes
>>> faces.points                                          # [n, num_points, 2] pixels

`predict` is the pure function behind it, for use inside other JAX programs.
"""

from rcsr_jax.answers import predict, predict_adaptive
from rcsr_jax.boxes import BoxMap, calibrate_boxes
from rcsr_jax.checkpoint import export_params, load_params
from rcsr_jax.config import (
    AugmentConfig,
    DataConfig,
    ModelConfig,
    RunConfig,
    TrainConfig,
    preset,
)
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.data.images import load_image, save_image
from rcsr_jax.detection import detect_faces
from rcsr_jax.export import export_program, write_program
from rcsr_jax.inference import Faces, Predictor, load_predictor
from rcsr_jax.markup import FACE_49, FACE_51, FACE_68, Markup, read_markup
from rcsr_jax.model import init_params
from rcsr_jax.onnx import write_onnx
from rcsr_jax.patches import extract_patches
from rcsr_jax.plots import draw_overlay
from rcsr_jax.prediction import Prediction
from rcsr_jax.resampling import crop_faces, crop_frames
from rcsr_jax.training import train
from rcsr_jax.version import __version__
from rcsr_jax.weights import read_weights, write_weights

__all__ = [
    "FACE_49",
    "FACE_51",
    "FACE_68",
    "AugmentConfig",
    "BoxMap",
    "DataConfig",
    "Faces",
    "Markup",
    "ModelConfig",
    "Prediction",
    "Predictor",
    "RunConfig",
    "TrainConfig",
    "__version__",
    "calibrate_boxes",
    "crop_faces",
    "crop_frames",
    "detect_faces",
    "draw_face",
    "draw_overlay",
    "export_params",
    "export_program",
    "extract_patches",
    "init_params",
    "load_image",
    "load_params",
    "load_predictor",
    "predict",
    "predict_adaptive",
    "preset",
    "read_markup",
    "read_weights",
    "save_image",
    "train",
    "write_onnx",
    "write_program",
    "write_weights",
]
