from dataclasses import fields
from pathlib import Path

from wsss.options.crf import Crf, FeatureCrf
from wsss.options.flat import recorded

OF_FEATURES = tuple(f"feature_crf.{field.name}" for field in fields(FeatureCrf))
OF_SCORES = ("scales", "warped_px", "supervision", "image_prior", *OF_FEATURES)
"""What masks record of the scores that they are made of, so that the network can label other photographs likewise."""


def masks(*, images: Path, scores: Path, fitted: list[Path], split: str, shard: str, masks: Path, crf: Crf) -> None:
    """Write the label maps of scored images at their original size, before and after a CRF.

    Args:
        images: manifest.
        scores: store of class probabilities.
        fitted: fitted CRF of the stage crf, used instead of `crf`; one or none.
        split: the split to process.
        shard: part of the images to process, such as 2-of-3.
        masks: store to write.
        crf: CRF that refines the probabilities; engine none leaves them unchanged.
    """
    from functools import partial

    from wsss.datasets import manifest
    from wsss.results import fitted_crf
    from wsss.results.refinement import label_maps, scored
    from wsss.runtime.parallel import mapped
    from wsss.runtime.progress import track
    from wsss.stores import store

    rows = manifest.part(manifest.read(images, split), shard)
    inputs = {"images": images, "scores": scores} | ({"fitted": fitted[0]} if fitted else {})
    with store.read(scores, "scores") as source:
        potentials, fitted_on = None, "no"
        if fitted:
            crf, potentials, about = fitted_crf.read(fitted[0], source.classes)
            fitted_on = f"on {about['images']} images of {about['split']}, {about['masks']} masks"
        source_settings = {name: source.attributes[f"setting.{name}"] for name in OF_SCORES}
        settings = recorded({"split": split, **source_settings, "fitted": fitted_on}, crf)
        items = (scored(row, source) for row in rows)
        refine = partial(label_maps, parameters=crf, potentials=potentials)
        with store.create(masks, "masks", classes=source.classes, settings=settings, inputs=inputs) as target:
            for image, maps in track(mapped(refine, items), "masks", total=len(rows)):
                target.add(image.id, image.size, **maps)
