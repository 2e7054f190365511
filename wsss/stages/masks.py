from pathlib import Path

from wsss.options import Crf


def masks(*, images: Path, scores: Path, split: str, shard: str, masks: Path, crf: Crf) -> None:
    """Write the label maps of scored images at their original size, before and after a CRF.

    Args:
        images: manifest.
        scores: store of class probabilities.
        split: the split to go over.
        shard: the part of the images to do, such as 2-of-3.
        masks: store to write.
        crf: refines the scores; engine none leaves them as they are.
    """
    from dataclasses import asdict
    from functools import partial

    import numpy as np

    from wsss import manifest, store
    from wsss.parallel import mapped
    from wsss.progress import track
    from wsss.refinement import Scored, label_maps

    rows = manifest.part(manifest.read(images, split), shard)
    with store.read(scores, "scores") as source:
        carried = {name: source.attributes[f"setting.{name}"] for name in ("scales", "warped_px", "warm_share")}
        settings = {"split": split, **carried, **asdict(crf)}
        classes = np.arange(len(source.classes.names), dtype=np.uint8)
        items = (
            Scored(
                row.id,
                row.image,
                source.size(row.id),
                source[row.id]["scores"].astype("float32"),
                source.stride,
                classes,
                source.warped_px,
            )
            for row in rows
        )
        inputs = {"images": images, "scores": scores}
        with store.create(masks, "masks", classes=source.classes, settings=settings, inputs=inputs) as target:
            for image, maps in track(mapped(partial(label_maps, parameters=crf), items), "masks", total=len(rows)):
                target.add(image.id, image.size, **maps)
