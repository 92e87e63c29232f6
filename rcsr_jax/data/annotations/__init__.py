"""Landmark and box files: each format read and written in one file of this folder.

`read_annotations` and `write_annotations` take any of them.
"""

from rcsr_jax.data.annotations.coco import write_coco
from rcsr_jax.data.annotations.dlib_xml import read_dlib_xml, write_dlib_xml
from rcsr_jax.data.annotations.formats import (
    FORMATS,
    format_of,
    read_annotations,
    suffix_of,
    write_annotations,
)
from rcsr_jax.data.annotations.holding import lack
from rcsr_jax.data.annotations.json_files import (
    read_landmarks_json,
    write_json,
    write_landmarks_json,
)
from rcsr_jax.data.annotations.pts import (
    pts_places,
    read_pts,
    read_pts_folder,
    write_pts,
    write_pts_folder,
)
from rcsr_jax.data.annotations.records import AnnotatedFace
from rcsr_jax.data.annotations.tables import (
    point_columns,
    point_fields,
    read_boxes,
    read_csv,
    write_boxes,
    write_csv,
)

__all__ = [
    "FORMATS",
    "AnnotatedFace",
    "format_of",
    "lack",
    "point_columns",
    "point_fields",
    "pts_places",
    "read_annotations",
    "read_boxes",
    "read_csv",
    "read_dlib_xml",
    "read_landmarks_json",
    "read_pts",
    "read_pts_folder",
    "suffix_of",
    "write_annotations",
    "write_boxes",
    "write_coco",
    "write_csv",
    "write_dlib_xml",
    "write_json",
    "write_landmarks_json",
    "write_pts",
    "write_pts_folder",
]
