"""How many hostile cases there are, and that no two of a kind are the same."""

import hostile_annotations_test as annotations
import hostile_boxes_test as boxes
import hostile_folders_test as folders
import hostile_images_test as images
import hostile_models_test as models


def test_there_are_more_than_two_hundred_cases():
    files = [images.CASES, annotations.CASES, models.FILES, models.MARKUPS]
    others = [boxes.REFUSED, models.FORGED, models.SETTINGS, folders.OUT_OF_PLACE]
    others += [folders.UNFIT, folders.FINE, folders.ODD_ARGUMENTS, annotations.UNFIT]
    for cases in files:
        assert len({(case.content, case.suffix) for case in cases}) >= len(cases) - 8
    assert sum(map(len, files)) > 350
    assert sum(map(len, others)) >= 90
