from pathlib import Path

from wsss.options.crf import Crf
from wsss.options.flat import recorded


def affinity_labels(
    *,
    images: Path,
    cams: Path,
    shard: str,
    affinity_labels: Path,
    alpha_low: float,
    alpha_high: float,
    stride: int,
    crf: Crf,
) -> None:
    """Write a label map of each image: confident foreground classes, confident background, and void elsewhere.

    Args:
        images: manifest; the splits train and extra are processed.
        cams: store of activation maps.
        shard: part of the images to process, such as 2-of-3.
        affinity_labels: store to write.
        alpha_low: exponent of the background score that leaves only confident foreground.
        alpha_high: exponent of the background score that leaves only confident background.
        stride: input pixels for each cell of the labels, AffinityNet's grid.
        crf: CRF that refines the scores of both exponents.
    """
    from functools import partial

    from wsss.datasets import manifest, pictures
    from wsss.results.confident import confident_labels
    from wsss.results.refinement import Scored
    from wsss.runtime.parallel import mapped
    from wsss.runtime.progress import track
    from wsss.stores import store

    rows = manifest.part(manifest.read(images, *manifest.TRAINING_SPLITS), shard)
    settings = recorded({"alpha_low": alpha_low, "alpha_high": alpha_high, "stride": stride}, crf)
    with store.read(cams, "cams") as source:
        manifest.require_classes(rows, source.classes, cams)
        items = (
            Scored(row.id, row, source.size(row.id), maps["cam"].astype("float32"), source.stride, maps["classes"])
            for row in rows
            for maps in [source.fitting(row.id, pictures.photograph_size(row.image))]
        )
        label = partial(confident_labels, alphas=(alpha_low, alpha_high), stride=stride, parameters=crf)
        inputs = {"images": images, "cams": cams}
        with store.create(
            affinity_labels, "affinity_labels", classes=source.classes, settings=settings, inputs=inputs
        ) as target:
            for image, labels in track(mapped(label, items), "affinity_labels", total=len(rows)):
                target.add(image.id, image.size, labels=labels)
