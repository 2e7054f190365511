"""Intersection over union, from one confusion matrix over a whole set."""

import numpy as np
from jaxtyping import Float, Int64, UInt8

from wsss.labels import VOID


def confusion(
    truth: UInt8[np.ndarray, "height width"], predicted: UInt8[np.ndarray, "height width"], *, classes: int
) -> Int64[np.ndarray, "classes classes+1"]:
    """Counts of pixels by true class (rows) and predicted class (columns), for one image.

    Pixels whose truth is VOID are in no score. A predicted VOID is an error: it stands in the last column.

    Raises:
        ValueError: where the sizes differ or a value is neither a class nor VOID.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth is {truth.shape}, prediction {predicted.shape}")
    counted = truth != VOID
    rows = truth[counted].astype(np.int64)
    columns = predicted[counted].astype(np.int64)
    if (rows >= classes).any() or ((columns >= classes) & (columns != VOID)).any():
        raise ValueError(f"a label is neither one of {classes} classes nor {VOID}")
    columns[columns == VOID] = classes
    return np.bincount(rows * (classes + 1) + columns, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def class_iou(confusion: Int64[np.ndarray, "classes classes+1"]) -> Float[np.ndarray, " classes"]:
    """TP / (TP + FP + FN) of each class; NaN for a class that neither truth nor prediction ever shows."""
    hits = np.diagonal(confusion)
    union = confusion.sum(1) + confusion[:, :-1].sum(0) - hits
    return np.where(union > 0, hits / np.maximum(union, 1), np.nan)


def mean_iou(confusion: Int64[np.ndarray, "classes classes+1"]) -> float:
    """Mean over the classes that occur."""
    return float(np.nanmean(class_iou(confusion)))
