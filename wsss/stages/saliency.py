from pathlib import Path


def saliency(
    *, images: Path, classifier: Path, shard: str, saliency: Path, scales: tuple[float, ...], stride: int
) -> None:
    """Write how much a classifier's scores hang on each cell of the training images.

    Args:
        images: manifest; the splits train and extra are gone over.
        classifier: the network whose scores they are.
        shard: the part of the images to do, such as 2-of-3.
        saliency: store to write.
        scales: resize factors of the image whose maps are averaged, each with its mirror image.
        stride: input pixels for each cell of the stored maps.
    """
    from functools import partial

    import torch

    from wsss import cam, machine, manifest, networks, pictures, store, transforms
    from wsss.progress import track
    from wsss.saliency import saliency as of_images

    rows = manifest.part(manifest.read(images, *manifest.TRAINING_SPLITS), shard)
    network, about = networks.load(classifier, "classifier")
    network.to(machine.device())

    def on_the_device(pair: torch.Tensor) -> torch.Tensor:
        return of_images(network, pair.to(machine.device()))

    maps_of = partial(
        cam.multi_scale,
        on_the_device,
        scales=scales,
        network_stride=network.backbone.stride,
        stride=stride,
        fill=network.backbone.mean,
    )
    settings = {"scales": scales, "stride": stride}
    inputs = {"images": images, "classifier": classifier}
    classes = networks.classes_of(about)
    with store.create(saliency, "saliency", classes=classes, settings=settings, inputs=inputs) as target:
        for row in track(rows, "saliency", total=len(rows)):
            image = transforms.to_tensor(pictures.read_photograph(row.image))
            maps = cam.normalised(maps_of(image))[0]
            target.add(row.id, tuple(image.shape[-2:]), saliency=maps.half().cpu().numpy())
