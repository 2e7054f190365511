from pathlib import Path


def scores(*, images: Path, segmenter: Path, split: str, shard: str, scores: Path, scales: tuple[float, ...]) -> None:
    """Write a segmenter's class probabilities for each image, on the network's grid; tags are not used.

    A network that was trained on images warped to a square, such as SEC's, gets warped images here, too. Its grid is
    then that of the square, as the store records (warped_px).

    Args:
        images: manifest.
        segmenter: trained segmentation network.
        split: the split to process.
        shard: part of the images to process, such as 2-of-3.
        scores: store to write.
        scales: resize factors of the image whose probabilities are averaged, each with its mirror image.
    """
    from wsss.datasets import batches, manifest
    from wsss.networks import file
    from wsss.networks.segmenter import Segmenter
    from wsss.results.probabilities import maps_of
    from wsss.runtime import machine
    from wsss.runtime.progress import track
    from wsss.stores import store

    listed = manifest.read(images, split)
    rows = manifest.part(listed, shard)
    network, about = file.load(segmenter, Segmenter)
    manifest.require_classes(rows, about.classes, segmenter)
    network.to(machine.device())
    maps = maps_of(network, scales=scales)
    settings = {"split": split, "scales": scales, "stride": network.stride, "warped_px": about.warped_px}
    settings |= {"supervision": about.supervision}
    inputs = {"images": images, "segmenter": segmenter}
    with store.create(scores, "scores", classes=about.classes, settings=settings, inputs=inputs) as target:
        found = batches.of_each(maps, listed, shard, scales=scales, warped_px=about.warped_px)
        for row, photograph, probabilities in track(found, "scores", total=len(rows)):
            target.add(row.id, photograph.shape[:2], scores=probabilities.numpy())
