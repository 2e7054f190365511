"""Every kind of store, and the arrays of one image in it.

The texts are for people, and each store carries its own; the forms are what a store is held to. They change no result,
so the digest of a stage's code ignores them.
"""

from typing import NamedTuple


class Form(NamedTuple):
    """The type of an array, and its shape in words.

    `height` and `width` are the image's, `rows` and `columns` those of the grid of the store's stride, `cells` is the
    setting of that name, `classes` the number of all classes, and `foreground` that of the image's own ones.
    """

    type: str
    shape: tuple[str, ...]


GRID, PIXELS = ("rows", "columns"), ("height", "width")

FORMS = {
    "cams": {"cam": Form("float16", ("foreground", *GRID)), "classes": Form("uint8", ("foreground",))},
    "affinity_labels": {"labels": Form("uint8", GRID)},
    "pseudo_masks": {"plain": Form("uint8", PIXELS), "refined": Form("uint8", PIXELS)},
    "saliency": {"saliency": Form("float16", GRID)},
    "seeds": {"labels": Form("uint8", ("cells", "cells"))},
    "scores": {"scores": Form("float16", ("classes", *GRID))},
    "masks": {"plain": Form("uint8", PIXELS), "refined": Form("uint8", PIXELS)},
}
"""The forms of the arrays of each kind of store."""

OPTIONAL = {"refined"}
"""Arrays that an image may lack."""

KINDS = {
    "cams": "cam: float16 (foreground, rows, columns) in [0, 1], the image's own classes only, on a grid; "
    "classes: uint8, the class index of each map",
    "affinity_labels": "labels: uint8 (rows, columns) on a grid, 0 background, 255 void",
    "pseudo_masks": "plain, refined: uint8 (height, width) at the image's size, before and after the CRF",
    "saliency": "saliency: float16 (rows, columns) on a grid: how much the logits depend on a cell, maximum 1",
    "seeds": "labels: uint8 (cells, cells), the image warped to a square; 0 background, 255 where none is confident",
    "scores": "scores: float16 (classes, rows, columns), probabilities of all classes on the network's grid",
    "masks": "plain, refined: uint8 (height, width) at the image's size, before and after the CRF",
}
"""Every kind of store and the arrays of one image in it; `refined` is missing if the CRF is off."""
