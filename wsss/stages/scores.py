from pathlib import Path


def scores(*, images: Path, segmenter: Path, split: str, shard: str, scores: Path, scales: tuple[float, ...]) -> None:
    """Write the class probabilities that a segmenter gives each image, on the network's grid; tags are not used.

    A network that was trained on images warped to a square, as SEC's is, gets such again; its grid is then that of the
    square, and the store says so (warped_px).

    Args:
        images: manifest.
        segmenter: the network.
        split: the split to go over.
        shard: the part of the images to do, such as 2-of-3.
        scores: store to write.
        scales: resize factors of the image whose probabilities are averaged, each with its mirror image.
    """
    from functools import partial

    import torch

    from wsss import cam, machine, manifest, networks, pictures, store, transforms
    from wsss.progress import track

    rows = manifest.part(manifest.read(images, split), shard)
    network, about = networks.load(segmenter, "segmenter")
    network.to(machine.device())

    def probabilities(pair: torch.Tensor) -> torch.Tensor:
        return network(pair.to(machine.device())).softmax(1)

    stride = network.backbone.stride
    side = int(about["settings"].get("input_px", 0))
    maps_of = partial(
        cam.multi_scale, probabilities, scales=scales, network_stride=stride, stride=stride, fill=network.backbone.mean
    )

    warm = about["settings"].get("warm_share", "0")
    settings = {"split": split, "scales": scales, "stride": stride, "warped_px": side, "warm_share": warm}
    inputs = {"images": images, "segmenter": segmenter}
    with (
        torch.inference_mode(),
        store.create(scores, "scores", classes=networks.classes_of(about), settings=settings, inputs=inputs) as target,
    ):
        for row in track(rows, "scores", total=len(rows)):
            photograph = pictures.read_photograph(row.image)
            shown = transforms.warped(photograph, side) if side else photograph
            maps = maps_of(transforms.to_tensor(shown))
            target.add(row.id, photograph.shape[:2], scores=maps.half().cpu().numpy())
