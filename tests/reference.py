"""Slow and obviously right: loops over pixels, straight from the equations. Shares no code with wsss."""

import itertools
import math

import numpy as np


def offsets(radius):
    """The pixels nearer than the radius in the half plane below, or to the right on the same row."""
    found = []
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if math.hypot(dy, dx) < radius and (dy > 0 or (dy == 0 and dx > 0)):
                found.append((dy, dx))
    return found


def affinities(features, radius):
    """a[pair, y, x] of features[channel, y, x], 0 where the other pixel lies outside."""
    channels, height, width = features.shape
    found = np.zeros((len(offsets(radius)), height, width))
    for pair, (dy, dx) in enumerate(offsets(radius)):
        for y in range(height):
            for x in range(width):
                if 0 <= y + dy < height and 0 <= x + dx < width:
                    distance = sum(abs(features[c, y, x] - features[c, y + dy, x + dx]) for c in range(channels))
                    found[pair, y, x] = math.exp(-distance / channels)
    return found


def affinity_loss(affinities, labels, radius):
    """The loss of affinities[image, pair, y, x] for labels[image, y, x]."""
    terms = {"background": [], "foreground": [], "different": []}
    images, height, width = labels.shape
    for image in range(images):
        for pair, (dy, dx) in enumerate(offsets(radius)):
            for y in range(height):
                for x in range(width):
                    if not (0 <= y + dy < height and 0 <= x + dx < width):
                        continue
                    p, q, a = labels[image, y, x], labels[image, y + dy, x + dx], affinities[image, pair, y, x]
                    if p == 255 or q == 255:
                        continue
                    if p != q:
                        terms["different"].append(-math.log(1 + 1e-5 - a))
                    else:
                        terms["background" if p == 0 else "foreground"].append(-math.log(a + 1e-5))
    mean = {kind: sum(values) / (len(values) + 1e-5) for kind, values in terms.items()}
    return mean["background"] / 4 + mean["foreground"] / 4 + mean["different"] / 2


def transition_matrix(affinities, radius, beta):
    """Dense D^-1 W^beta of affinities[pair, y, x]; pixel (y, x) has the index y * width + x."""
    _, height, width = affinities.shape
    w = np.eye(height * width)
    for pair, (dy, dx) in enumerate(offsets(radius)):
        for y in range(height):
            for x in range(width):
                if 0 <= y + dy < height and 0 <= x + dx < width:
                    i, j = y * width + x, (y + dy) * width + x + dx
                    w[i, j] = w[j, i] = affinities[pair, y, x] ** beta
    return w / w.sum(axis=1, keepdims=True)


def walk(scores, affinities, radius, beta, squarings):
    """Scores[class, y, x] after 2^squarings steps, the matrix squared."""
    transition = transition_matrix(affinities, radius, beta)
    for _ in range(squarings):
        transition = transition @ transition
    return (transition @ scores.reshape(len(scores), -1).T).T.reshape(scores.shape)


def pairwise(colours, crf, areas, side=1):
    """K[i, j], what cell i hears of cell j: both kernels of colours[y][x][rgb], each times its weight.

    A cell is `side` pixels wide, and as heavy as areas[y][x] pixels; i is y * width + x. Beyond the window of engine
    convcrf, the only one that has one, kernels are 0. The Gaussian of places is the mean over the pixels of both.
    """
    places = [(y, x) for y in range(len(colours)) for x in range(len(colours[0]))]
    total = np.zeros((len(places), len(places)))
    for weight, spread_px, spread_rgb in (
        (crf.smoothness_weight, crf.smoothness_px, math.inf),
        (crf.appearance_weight, crf.appearance_px, crf.appearance_rgb),
    ):
        k = np.zeros_like(total)
        for i, (y, x) in enumerate(places):
            for j, (v, u) in enumerate(places):
                dy, dx = abs(y - v), abs(x - u)
                reach = max(dy, dx) if crf.window == "square" else dy + dx
                if crf.engine == "convcrf" and reach > math.ceil(crf.window_px / side):
                    continue
                near = [
                    math.exp(-((side * dy + a - b) ** 2 + (side * dx + c - d) ** 2) / (2 * spread_px**2))
                    for a, b, c, d in itertools.product(range(side), repeat=4)
                ]
                rgb = sum((float(a) - float(b)) ** 2 for a, b in zip(colours[y][x], colours[v][u], strict=True))
                k[i, j] = sum(near) / len(near) * math.exp(-rgb / (2 * spread_rgb**2))
        heavy = [areas[v][u] for v, u in places]
        norm = [1.0] * len(places)
        if crf.normalisation == "symmetric":
            norm = [1 / math.sqrt(sum(k[i, j] * heavy[j] for j in range(len(places)))) for i in range(len(places))]
        for i in range(len(places)):
            for j in range(len(places)):
                total[i, j] += weight * norm[i] * k[i, j] * norm[j] * heavy[j]
    return total


def messages(kernel, maps):
    """sum_j K[i, j] maps[class, j] for each pixel i = (y, x)."""
    found = np.zeros_like(maps)
    for label, flat in enumerate(maps.reshape(len(maps), -1)):
        for i in range(len(kernel)):
            found[label].flat[i] = sum(kernel[i, j] * flat[j] for j in range(len(kernel)))
    return found


def penalties(messages, compatibility):
    """What compatibility[label, other, k, k] takes off each label of messages[class, y, x]; its centre is the pixel."""
    classes, height, width = messages.shape
    reach = compatibility.shape[-1] // 2
    found = np.zeros_like(messages)
    for label in range(classes):
        for y in range(height):
            for x in range(width):
                for other in range(classes):
                    for dy in range(-reach, reach + 1):
                        for dx in range(-reach, reach + 1):
                            if 0 <= y + dy < height and 0 <= x + dx < width:
                                penalty = compatibility[label, other, reach + dy, reach + dx]
                                found[label, y, x] += penalty * messages[other, y + dy, x + dx]
    return found


def mean_field(unary, kernel, compatibility, steps):
    """Q[class, y, x] by the update of each pixel's each label, one after another."""

    def softmax(energies):
        q = np.exp(-(energies - energies.min(axis=0)))
        return q / q.sum(axis=0)

    q = softmax(unary)
    for _ in range(steps):
        q = softmax(unary + penalties(messages(kernel, q), compatibility))
    return q


def refine(unary, image, crf, compatibility=None):
    """The dense CRF of unary[class, y, x] and image[y, x, rgb], with Potts penalties where no others are given."""
    if compatibility is None:
        compatibility = (1 - np.eye(len(unary)))[:, :, None, None]
    kernel = pairwise(image, crf, np.ones(image.shape[:2]))
    return mean_field(unary.astype(np.float64), kernel, compatibility, crf.steps)
