"""Every kind of store, and the arrays of one image in it.

The texts are for people, and each store carries its own. They change no result, so the digest of a stage's code
ignores them.
"""

KINDS = {
    "cams": "cam: float16 (foreground, height, width) in [0, 1], the image's own classes only, on a grid; "
    "classes: uint8, the class index of each map",
    "affinity_labels": "labels: uint8 (height, width) on a grid, 0 background, 255 void",
    "pseudo_masks": "plain, refined: uint8 (height, width) at the image's size, before and after the CRF",
    "saliency": "saliency: float16 (height, width) on a grid: how much the logits depend on a cell, maximum 1",
    "seeds": "labels: uint8 (cells, cells), the image warped to a square; 0 background, 255 where none is confident",
    "scores": "scores: float16 (classes, height, width), probabilities of all classes on the network's grid",
    "masks": "plain, refined: uint8 (height, width) at the image's size, before and after the CRF",
}
"""Every kind of store and the arrays of one image in it; `refined` is missing if the CRF is off."""
