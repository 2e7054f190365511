from pathlib import Path

from wsss.options import Crf


def masks(*, images: Path, scores: Path, fitted: list[Path], split: str, shard: str, masks: Path, crf: Crf) -> None:
    """Write the label maps of scored images at their original size, before and after a CRF.

    Args:
        images: manifest.
        scores: store of class probabilities.
        fitted: a CRF from stage crf, which takes the place of `crf`; none or one.
        split: the split to go over.
        shard: the part of the images to do, such as 2-of-3.
        masks: store to write.
        crf: refines the scores; engine none leaves them as they are.
    """
    from dataclasses import asdict
    from functools import partial

    from wsss import fitted_crf, manifest, store
    from wsss.parallel import mapped
    from wsss.progress import track
    from wsss.refinement import label_maps, scored

    rows = manifest.part(manifest.read(images, split), shard)
    inputs = {"images": images, "scores": scores} | ({"fitted": fitted[0]} if fitted else {})
    with store.read(scores, "scores") as source:
        potentials, learned = None, "no"
        if fitted:
            crf, potentials, about = fitted_crf.read(fitted[0], source.classes)
            learned = f"on {about['images']} images of {about['split']}, {about['masks']} masks"
        carried = {name: source.attributes[f"setting.{name}"] for name in ("scales", "warped_px", "warm_share")}
        settings = {"split": split, **carried, **asdict(crf), "fitted": learned}
        items = (scored(row, source) for row in rows)
        refine = partial(label_maps, parameters=crf, potentials=potentials)
        with store.create(masks, "masks", classes=source.classes, settings=settings, inputs=inputs) as target:
            for image, maps in track(mapped(refine, items), "masks", total=len(rows)):
                target.add(image.id, image.size, **maps)
