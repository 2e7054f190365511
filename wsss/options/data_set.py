"""The options of a data set."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class DataSet:
    """Which photographs, with which tags and masks.

    Args:
        dataset: "voc" reads a folder in the layout of VOC's devkit; "shapes" draws one first; "folder" reads
            photographs and a table of their tags, "coco" photographs and COCO's annotations.
        root: the data set's folder; of "voc", the one that holds JPEGImages.
        classes: name=mask_value for each class; if none is given, all classes of the data set.
        tags: source of the tags: image_labels.txt (file), Annotations, cls_labels.npy or the masks themselves; for
            "coco" annotations or npy.
        table: for "folder", the table of the tags, CSV or TSV; "" where there is a folder for each class.
        train: list of the training images; their masks, if any, serve to score the cues. For "folder" a text file of
            names, or "" for all photographs with tags that are in no other list; for "coco" a list is a folder of
            photographs, such as train2014.
        extra: list of more training images, without masks; those of train and val are left out; "" for none.
        val: list of the images for the final scores; "" for none.
        test: list of images without tags and masks, which are segmented and no more; "" for none.
        val_share: for "folder" without a list of val, the share of the photographs that is drawn for it.
        crf_fit_images: number of images of train, evenly spaced, that are withheld from network training, to fit a CRF
            (stage crf).
        masks: folder of the masks of val and, if there are any, of train; "" for none. For "coco", annotations: they
            are drawn of the outlines there.
        longest_px: photographs with a longer side than this are copied at this size, and the copies used; 0: never.
        download: download VOC 2012 and SBD into the root, unless they are there; for "voc" only.
        shapes_train: number of training images to draw.
        shapes_val: number of val images to draw.
        shapes_size: side of a drawn image, in pixels.
        shapes_seed: random seed of the drawn images.
    """

    dataset: Literal["shapes", "voc", "folder", "coco"]
    root: Path
    classes: tuple[str, ...]
    tags: Literal["file", "annotations", "npy", "masks"]
    table: str
    train: str
    extra: str
    val: str
    test: str
    val_share: float
    crf_fit_images: int
    masks: str
    longest_px: int
    download: bool
    shapes_train: int
    shapes_val: int
    shapes_size: int
    shapes_seed: int

    @classmethod
    def of(cls, section: dict) -> "DataSet":
        """The section images of a configuration."""
        named = {name: section[name] for name in cls.__dataclass_fields__}
        return cls(**named | {"root": Path(section["root"]).expanduser(), "classes": tuple(section["classes"])})
