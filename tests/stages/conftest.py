import pytest


@pytest.fixture
def seeded(tmp_path):
    """Four pictures, cats red and dogs blue in their left half, a manifest, and seeds of 4 x 4 cells; their folder."""
    import numpy as np
    from PIL import Image
    from settings import CLASSES

    from wsss.datasets import manifest
    from wsss.labels import VOID
    from wsss.stores import store

    rows = []
    with store.create(tmp_path / "seeds.h5", "seeds", classes=CLASSES, settings={"cells": 4}, inputs={}) as target:
        for number in range(4):
            picture = np.full((24, 40, 3), 128, np.uint8)
            picture[:, :20, 2 * (number % 2)] = 255
            photograph = tmp_path / f"{number}.png"
            Image.fromarray(picture).save(photograph)
            rows.append(manifest.Row(str(number), "train", photograph, None, (("cat", "dog")[number % 2],), "test"))
            labels = np.full((4, 4), VOID, np.uint8)
            labels[:, 0], labels[:, 3] = 1 + number % 2, 0
            target.add(str(number), (24, 40), labels=labels)
    manifest.write(tmp_path / "images.csv", rows)
    return tmp_path
