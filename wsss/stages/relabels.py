from pathlib import Path

from wsss.options.crf import Crf
from wsss.options.flat import recorded

LEAST = 1e-6
"""Added to each probability: those of the tags may all be 0 in half precision."""


def relabels(
    *,
    images: Path,
    segmenter: Path,
    fitted: list[Path],
    shard: str,
    relabels: Path,
    scales: tuple[float, ...],
    crf: Crf,
) -> None:
    """Label the training images by a trained segmenter, cut to their tags: pseudo masks of a second round.

    What the network learned from all images corrects the cues of single ones (self-training). The tags of training
    images are known, so no other class is given.

    Args:
        images: manifest; the splits train, extra and crf_fit are processed.
        segmenter: trained segmentation network.
        fitted: fitted CRF of the stage crf, used instead of `crf`; one or none.
        shard: part of the images to process, such as 2-of-3.
        relabels: store of pseudo masks to write.
        scales: resize factors of the image whose probabilities are averaged, each with its mirror image.
        crf: CRF that refines the probabilities; engine none leaves them unchanged.
    """
    from collections.abc import Iterator
    from functools import partial

    import numpy as np

    from wsss.datasets import batches, manifest
    from wsss.networks import file
    from wsss.networks.segmenter import Segmenter
    from wsss.results import fitted_crf
    from wsss.results.probabilities import maps_of
    from wsss.results.refinement import Scored, label_maps
    from wsss.runtime import machine
    from wsss.runtime.parallel import mapped
    from wsss.runtime.progress import track
    from wsss.stores import store

    listed = manifest.read(images, *manifest.CUE_SPLITS)
    rows = manifest.part(listed, shard)
    network, about = file.load(segmenter, Segmenter)
    manifest.require_classes(rows, about.classes, segmenter)
    network.to(machine.device())
    maps = maps_of(network, scales=scales)
    crf, potentials = fitted_crf.read(fitted[0], about.classes)[:2] if fitted else (crf, None)

    def scored() -> Iterator[Scored]:
        found = batches.of_each(maps, listed, shard, scales=scales, warped_px=about.warped_px)
        for row, photograph, probabilities in found:
            classes = np.array([0, *map(about.classes.names.index, row.tags)], dtype=np.uint8)
            scores = probabilities.numpy().astype("float32")[classes] + LEAST
            scores /= scores.sum(0)
            yield Scored(row.id, photograph, photograph.shape[:2], scores, network.stride, classes, about.warped_px)

    settings = recorded({"scales": scales}, crf)
    inputs = {"images": images, "segmenter": segmenter} | ({"fitted": fitted[0]} if fitted else {})
    refine = partial(label_maps, parameters=crf, potentials=potentials)
    with store.create(relabels, "pseudo_masks", classes=about.classes, settings=settings, inputs=inputs) as target:
        for image, labels in track(mapped(refine, scored()), "relabels", total=len(rows)):
            target.add(image.id, image.size, **labels)
