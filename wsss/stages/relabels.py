from pathlib import Path

from wsss.options.crf import Crf, FeatureCrf
from wsss.options.flat import recorded

LEAST = 1e-6
"""Added to each probability: those of the tags may all be 0 in half precision."""


def relabels(
    *,
    images: Path,
    segmenter: Path,
    classifier: list[Path],
    fitted: list[Path],
    shard: str,
    relabels: Path,
    scales: tuple[float, ...],
    crf: Crf,
    feature_crf: FeatureCrf,
) -> None:
    """Label the training images by a trained segmenter, cut to their tags: pseudo masks of a second round.

    What the network learned from all images corrects the cues of single ones (self-training). The tags of training
    images are known, so no other class is given.

    Args:
        images: manifest; the splits train, extra and crf_fit are processed.
        segmenter: trained segmentation network.
        classifier: network by whose features a CRF goes; one or none.
        fitted: fitted CRF of the stage crf, used instead of `crf`; one or none.
        shard: part of the images to process, such as 2-of-3.
        relabels: store of pseudo masks to write.
        scales: resize factors of the image whose probabilities are averaged, each with its mirror image.
        crf: CRF that refines the probabilities; engine none leaves them unchanged.
        feature_crf: CRF of the cells by the classifier's features, before the other one.
    """
    from collections.abc import Iterator
    from functools import partial

    import numpy as np
    import torch

    from wsss.datasets import batches, manifest
    from wsss.networks import file
    from wsss.networks.segmenter import Segmenter
    from wsss.results import feature_crf as by_features
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
    judge = by_features.required(classifier, feature_crf)
    of_cells = {"stride": network.stride, "warped_px": about.warped_px}
    refine_cells = by_features.refining(judge, about.classes, feature_crf, **of_cells)
    crf, potentials = fitted_crf.read(fitted[0], about.classes)[:2] if fitted else (crf, None)

    def scored() -> Iterator[Scored]:
        found = batches.of_each(maps, listed, shard, scales=scales, warped_px=about.warped_px)
        for row, photograph, probabilities in found:
            classes = np.array([0, *map(about.classes.names.index, row.tags)], dtype=np.uint8)
            of_tags = torch.from_numpy(probabilities.numpy().astype("float32")[classes] + LEAST)
            scores = refine_cells(photograph, of_tags / of_tags.sum(0)).numpy()
            yield Scored(row.id, photograph, photograph.shape[:2], scores, network.stride, classes, about.warped_px)

    settings = recorded({"scales": scales}, crf, feature_crf=feature_crf)
    inputs = {"images": images, "segmenter": segmenter} | ({"classifier": judge} if judge else {})
    inputs |= {"fitted": fitted[0]} if fitted else {}
    refine = partial(label_maps, parameters=crf, potentials=potentials)
    with store.create(relabels, "pseudo_masks", classes=about.classes, settings=settings, inputs=inputs) as target:
        for image, labels in track(mapped(refine, scored()), "relabels", total=len(rows)):
            target.add(image.id, image.size, **labels)
