"""Slow and obviously right: loops over pixels, straight from the equations. Shares no code with wsss."""

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


def kernel(features):
    """Gaussian of features[pixel][channel], divided by the roots of its row's and its column's sum; diagonal kept."""
    pixels = len(features)
    k = np.zeros((pixels, pixels))
    for i in range(pixels):
        for j in range(pixels):
            k[i, j] = math.exp(-sum((a - b) ** 2 for a, b in zip(features[i], features[j], strict=True)) / 2)
    norm = [1 / math.sqrt(sum(row)) for row in k]
    for i in range(pixels):
        for j in range(pixels):
            k[i, j] *= norm[i] * norm[j]
    return k


def mean_field(unary, kernel, compatibility, steps):
    """Q[class, pixel] by the update of each pixel's each label, one after another."""
    classes, pixels = unary.shape

    def softmax(energies):
        q = np.exp(-(energies - energies.min(axis=0)))
        return q / q.sum(axis=0)

    q = softmax(unary)
    for _ in range(steps):
        energies = unary.copy()
        for label in range(classes):
            for i in range(pixels):
                for other in range(classes):
                    for j in range(pixels):
                        energies[label, i] += compatibility[label, other] * kernel[i, j] * q[other, j]
        q = softmax(energies)
    return q


def refine(unary, image, crf):
    """The dense CRF of unary[class, y, x] and image[y, x, rgb], with Potts penalties."""
    classes, height, width = unary.shape
    near, alike = [], []
    for y in range(height):
        for x in range(width):
            near.append([y / crf.smoothness_px, x / crf.smoothness_px])
            colour = [float(value) / crf.appearance_rgb for value in image[y, x]]
            alike.append([y / crf.appearance_px, x / crf.appearance_px, *colour])
    both = crf.smoothness_weight * kernel(near) + crf.appearance_weight * kernel(alike)
    energies = unary.reshape(classes, -1).astype(np.float64)
    return mean_field(energies, both, 1 - np.eye(classes), crf.steps).reshape(unary.shape)
