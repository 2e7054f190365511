"""Confusion matrix and intersection over union."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wsss.maths import metrics

TRUTH = np.array([[0, 0, 1], [1, 2, 255]], np.uint8)
PREDICTED = np.array([[0, 1, 1], [255, 2, 1]], np.uint8)


def maps(classes, size=(4, 5)):
    """Label maps with void."""
    return arrays.arrays(np.uint8, size, elements=st.sampled_from([*range(classes), 255]))


def test_confusion_by_hand():
    # the last pixel is void: not counted; the fourth is predicted void: in the last column
    expected = [[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
    np.testing.assert_array_equal(metrics.confusion(TRUTH, PREDICTED, classes=3), expected)


def test_iou_by_hand():
    # background 1 / 2, class 1: 1 hit, 1 false positive, 1 miss (the void): 1 / 3, class 2: 1 / 1
    confusion = metrics.confusion(TRUTH, PREDICTED, classes=3)
    np.testing.assert_allclose(metrics.class_iou(confusion), [1 / 2, 1 / 3, 1])
    assert metrics.mean_iou(confusion) == pytest.approx((1 / 2 + 1 / 3 + 1) / 3)


def test_void_in_the_truth_is_in_no_score():
    truth = np.array([[0, 1, 255, 255]], np.uint8)
    for filling in (0, 1, 255):
        predicted = np.array([[0, 1, filling, filling]], np.uint8)
        assert metrics.mean_iou(metrics.confusion(truth, predicted, classes=2)) == 1


def test_predicted_void_is_a_miss_and_no_false_alarm():
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    confusion = metrics.confusion(truth, np.array([[0, 0, 1, 255]], np.uint8), classes=2)
    np.testing.assert_allclose(metrics.class_iou(confusion), [1, 1 / 2])
    wrong = metrics.confusion(truth, np.array([[0, 0, 1, 0]], np.uint8), classes=2)
    np.testing.assert_allclose(metrics.class_iou(wrong), [2 / 3, 1 / 2])


def test_an_absent_class_is_left_out_of_the_mean():
    truth = np.array([[0, 0, 2]], np.uint8)
    confusion = metrics.confusion(truth, np.array([[0, 2, 2]], np.uint8), classes=4)
    np.testing.assert_allclose(metrics.class_iou(confusion), [1 / 2, np.nan, 1 / 2, np.nan])
    assert metrics.mean_iou(confusion) == 1 / 2


def test_a_class_that_is_only_predicted_counts_as_zero():
    confusion = metrics.confusion(np.array([[0, 0]], np.uint8), np.array([[0, 1]], np.uint8), classes=2)
    np.testing.assert_allclose(metrics.class_iou(confusion), [1 / 2, 0])
    assert metrics.mean_iou(confusion) == 1 / 4


def test_one_confusion_over_the_set_is_no_mean_over_images():
    # one image with 8 pixels of class 1, all missed, and one with 2 pixels, all found
    missed = metrics.confusion(np.ones((1, 8), np.uint8), np.zeros((1, 8), np.uint8), classes=2)
    found = metrics.confusion(np.ones((1, 2), np.uint8), np.ones((1, 2), np.uint8), classes=2)
    assert metrics.mean_iou(missed + found) == pytest.approx((0 + 2 / 10) / 2)
    assert np.mean([metrics.mean_iou(missed), metrics.mean_iou(found)]) == pytest.approx((0 + 1) / 2)


def test_all_void():
    void = np.full((2, 2), 255, np.uint8)
    assert metrics.confusion(void, np.zeros((2, 2), np.uint8), classes=3).sum() == 0


@pytest.mark.parametrize("wrong", [3, 4, 254])
def test_a_wrong_label_is_refused(wrong):
    good, bad = np.array([[0, 1, 2]], np.uint8), np.array([[0, 1, wrong]], np.uint8)
    for truth, predicted in ((good, bad), (bad, good), (bad, bad)):
        with pytest.raises(ValueError, match="a label is neither one of 3 classes nor 255"):
            metrics.confusion(truth, predicted, classes=3)


def test_two_sizes_are_refused():
    with pytest.raises((ValueError, TypeError)):
        metrics.confusion(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), classes=2)


@given(pairs=st.lists(st.tuples(maps(3), maps(3)), min_size=1, max_size=3))
@settings(deadline=None)
def test_iou_equals_that_of_sets_of_pixels(pairs):
    total = sum(metrics.confusion(truth, predicted, classes=3) for truth, predicted in pairs)
    for label, iou in enumerate(metrics.class_iou(total)):
        true, claimed = set(), set()
        for image, (truth, predicted) in enumerate(pairs):
            for place in np.ndindex(truth.shape):
                if truth[place] != 255:
                    if truth[place] == label:
                        true.add((image, place))
                    if predicted[place] == label:
                        claimed.add((image, place))
        if true | claimed:
            assert iou == len(true & claimed) / len(true | claimed)
        else:
            assert math.isnan(iou)


@given(truth=maps(4), predicted=maps(4))
@settings(deadline=None)
def test_rows_sum_to_the_true_counts(truth, predicted):
    confusion = metrics.confusion(truth, predicted, classes=4)
    assert confusion.shape == (4, 5)
    assert list(confusion.sum(axis=1)) == [(truth == label).sum() for label in range(4)]
    assert confusion[:, 4].sum() == ((predicted == 255) & (truth != 255)).sum()
