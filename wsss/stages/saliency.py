from pathlib import Path


def saliency(
    *, images: Path, classifier: Path, shard: str, saliency: Path, scales: tuple[float, ...], stride: int
) -> None:
    """Write saliency maps of the training images: how much a classifier's logits depend on each cell.

    Args:
        images: manifest; the splits train and extra are processed.
        classifier: trained classifier.
        shard: part of the images to process, such as 2-of-3.
        saliency: store to write.
        scales: resize factors of the image whose maps are averaged, each with its mirror image.
        stride: input pixels for each cell of the stored maps.
    """
    from functools import partial

    from wsss.datasets import manifest, pictures
    from wsss.maths import cam
    from wsss.maths.photographs import to_tensor
    from wsss.networks import file
    from wsss.networks.classifier import Classifier
    from wsss.runtime import machine
    from wsss.runtime.progress import track
    from wsss.sec.saliency import saliency as of_images
    from wsss.stores import store

    rows = manifest.part(manifest.read(images, *manifest.TRAINING_SPLITS), shard)
    network, about = file.load(classifier, Classifier)
    manifest.require_classes(rows, about.classes, classifier)
    network.to(machine.device())
    maps_of = partial(
        cam.multi_scale,
        partial(of_images, network),
        scales=scales,
        network_stride=network.backbone.stride,
        stride=stride,
        fill=network.backbone.mean,
    )
    settings = {"scales": scales, "stride": stride}
    inputs = {"images": images, "classifier": classifier}
    classes = about.classes
    with store.create(saliency, "saliency", classes=classes, settings=settings, inputs=inputs) as target:
        for row in track(rows, "saliency", total=len(rows)):
            photograph = pictures.photograph_of(row)
            (maps,) = maps_of(to_tensor(photograph[None], machine.device()))
            target.add(row.id, photograph.shape[:2], saliency=cam.normalised(maps)[0].half().cpu().numpy())
