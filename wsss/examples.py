"""What the pages of examples of all methods have in common."""

from wsss import figures
from wsss.evaluation import truth
from wsss.labels import Classes
from wsss.manifest import Row
from wsss.pictures import read_photograph
from wsss.store import Reader

Panels = tuple[str, dict]
"""A caption, and pictures by name."""


def cues(row: Row, maps: Reader, steps: dict) -> Panels:
    """A training image: its photograph, its activation maps, the pictures of a method's own steps, and the truth."""
    photograph = read_photograph(row.image)
    strongest = maps[row.id]["cam"].astype("float32").max(0)
    panels = {"photograph": photograph, "CAM": figures.heat(photograph, strongest, stride=maps.stride), **steps}
    return " ".join(row.tags), panels | _truth(row, maps.classes)


def predictions(row: Row, masks: Reader) -> Panels:
    """An image that was predicted: its photograph, the prediction before and after the CRF, and the truth."""
    found = masks[row.id]
    panels = {"photograph": read_photograph(row.image), "prediction": figures.coloured(found["plain"], masks.classes)}
    if "refined" in found:
        panels["refined"] = figures.coloured(found["refined"], masks.classes)
    return " ".join(row.tags), panels | _truth(row, masks.classes)


def _truth(row: Row, classes: Classes) -> dict:
    return {"truth": figures.coloured(truth(row, classes), classes)} if row.mask else {}
