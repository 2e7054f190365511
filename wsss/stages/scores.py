from pathlib import Path


def scores(*, images: Path, segmenter: Path, split: str, shard: str, scores: Path, scales: tuple[float, ...]) -> None:
    """Write the class probabilities that a segmenter gives each image, on the network's grid; tags are not used.

    Args:
        images: manifest.
        segmenter: the network.
        split: the split to go over.
        shard: the part of the images to do, such as 2-of-3.
        scores: store to write.
        scales: resize factors of the image whose probabilities are averaged, each with its mirror image.
    """
    import torch

    from wsss import cam, machine, manifest, networks, pictures, store, transforms
    from wsss.progress import track

    rows = manifest.part(manifest.read(images, split), shard)
    network, about = networks.load(segmenter, "segmenter")
    network.to(machine.device())

    def probabilities(pair: torch.Tensor) -> torch.Tensor:
        return network(pair.to(machine.device())).softmax(1)

    stride = network.backbone.stride
    settings = {"split": split, "scales": scales, "stride": stride}
    inputs = {"images": images, "segmenter": segmenter}
    with (
        torch.inference_mode(),
        store.create(scores, "scores", classes=networks.classes_of(about), settings=settings, inputs=inputs) as target,
    ):
        for row in track(rows, "scores", total=len(rows)):
            image = transforms.to_tensor(pictures.read_photograph(row.image))
            maps = cam.multi_scale(
                probabilities, image, scales=scales, network_stride=stride, stride=stride, fill=network.backbone.mean
            )
            target.add(row.id, tuple(image.shape[-2:]), scores=maps.half().cpu().numpy())
