from pathlib import Path


def scores(*, images: Path, segmenter: Path, split: str, shard: str, scores: Path, scales: tuple[float, ...]) -> None:
    """Write the class probabilities that a segmenter gives each image, on the network's grid; tags are not used.

    A network that was trained on images warped to a square, as SEC's is, gets such again.

    Args:
        images: manifest.
        segmenter: the network.
        split: the split to go over.
        shard: the part of the images to do, such as 2-of-3.
        scores: store to write.
        scales: resize factors of the image whose probabilities are averaged, each with its mirror image.
    """
    from functools import partial

    import numpy as np
    import torch

    from wsss import affinity, cam, grid, machine, manifest, networks, pictures, store, transforms
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

    def warped_maps_of(photograph: np.ndarray) -> torch.Tensor:
        """The maps of the photograph as a square, for a network that was trained on such, back on its own grid."""
        maps = maps_of(transforms.to_tensor(transforms.warped(photograph, side)))
        pixels = grid.to_pixels(maps[None], (side, side), stride=stride)
        whole = torch.nn.functional.interpolate(pixels, photograph.shape[:2], mode="bilinear")[0]
        return affinity.pool_scores(whole, stride=stride)

    settings = {"split": split, "scales": scales, "stride": stride, "warped_px": side}
    inputs = {"images": images, "segmenter": segmenter}
    with (
        torch.inference_mode(),
        store.create(scores, "scores", classes=networks.classes_of(about), settings=settings, inputs=inputs) as target,
    ):
        for row in track(rows, "scores", total=len(rows)):
            photograph = pictures.read_photograph(row.image)
            maps = warped_maps_of(photograph) if side else maps_of(transforms.to_tensor(photograph))
            target.add(row.id, photograph.shape[:2], scores=maps.half().cpu().numpy())
