from pathlib import Path

from wsss.options.crf import FeatureCrf
from wsss.options.flat import recorded


def scores(
    *,
    images: Path,
    segmenter: Path,
    classifier: list[Path],
    split: str,
    shard: str,
    scores: Path,
    scales: tuple[float, ...],
    image_prior: float,
    feature_crf: FeatureCrf,
) -> None:
    """Write a segmenter's class probabilities for each image, on the network's grid; tags are not used.

    A network that was trained on images warped to a square, such as SEC's, gets warped images here, too. Its grid is
    then that of the square, as the store records (warped_px).

    Args:
        images: manifest.
        segmenter: trained segmentation network.
        classifier: network whose probabilities of the whole image weigh those of its cells, and by whose features a CRF
            goes; one or none.
        split: the split to process.
        shard: part of the images to process, such as 2-of-3.
        scores: store to write.
        scales: resize factors of the image whose probabilities are averaged, each with its mirror image.
        image_prior: exponent of the classifier's probabilities (Pinheiro & Collobert 2015); 0: they are not used.
        feature_crf: CRF of the cells by the classifier's features, after the prior.
    """
    from wsss.datasets import batches, manifest
    from wsss.networks import file
    from wsss.networks.segmenter import Segmenter
    from wsss.results import feature_crf as by_features
    from wsss.results import image_prior as prior
    from wsss.results.probabilities import maps_of
    from wsss.runtime import machine
    from wsss.runtime.errors import WsssError
    from wsss.runtime.progress import track
    from wsss.stores import store

    listed = manifest.read(images, split)
    rows = manifest.part(listed, shard)
    network, about = file.load(segmenter, Segmenter)
    manifest.require_classes(rows, about.classes, segmenter)
    network.to(machine.device())
    maps = maps_of(network, scales=scales)
    if image_prior and not classifier:
        raise WsssError(f"image_prior is {image_prior}, but there is no classifier: give its file, or 0")
    weighing = classifier[0] if image_prior else None
    weigh = prior.weighing(weighing, about.classes, power=image_prior)
    judge = by_features.required(classifier, feature_crf)
    of_cells = {"stride": network.stride, "warped_px": about.warped_px}
    refine = by_features.refining(judge, about.classes, feature_crf, **of_cells)
    settings = {"split": split, "scales": scales, **of_cells, "supervision": about.supervision}
    settings = recorded(settings, {"image_prior": image_prior}, feature_crf=feature_crf)
    inputs = {"images": images, "segmenter": segmenter} | ({"classifier": used} if (used := judge or weighing) else {})
    with store.create(scores, "scores", classes=about.classes, settings=settings, inputs=inputs) as target:
        found = batches.of_each(maps, listed, shard, scales=scales, warped_px=about.warped_px)
        for row, photograph, probabilities in track(found, "scores", total=len(rows)):
            maps_of_image = refine(photograph, weigh(photograph, probabilities))
            target.add(row.id, photograph.shape[:2], scores=maps_of_image.numpy())
