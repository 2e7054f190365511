from pathlib import Path


def cams(
    *, images: Path, classifier: Path, shard: str, cams: Path, scales: tuple[float, ...], gamma: float, stride: int
) -> None:
    """Write the class activation maps of each training image's own classes.

    Args:
        images: manifest; the splits train, extra and held are gone over.
        classifier: the network whose maps are written.
        shard: the part of the images to do, such as 2-of-3.
        cams: store to write.
        scales: resize factors of the image whose maps are averaged, each with its mirror image.
        gamma: exponent of the activations before they are averaged; PSA takes 0.5 with vgg16 and 1 elsewhere.
        stride: input pixels for each cell of the stored maps.
    """
    import numpy as np
    import torch

    from wsss import cam, machine, manifest, networks, pictures, store, transforms
    from wsss.progress import track

    rows = manifest.part(manifest.read(images, *manifest.CUE_SPLITS), shard)
    network, about = networks.load(classifier, "classifier")
    network.to(machine.device())

    def activations(pair: torch.Tensor) -> torch.Tensor:
        return network.maps(pair.to(machine.device())) ** gamma

    of_network = {"network_stride": network.backbone.stride, "fill": network.backbone.mean}
    settings = {"scales": scales, "gamma": gamma, "stride": stride}
    inputs = {"images": images, "classifier": classifier}
    with (
        torch.inference_mode(),
        store.create(cams, "cams", classes=networks.classes_of(about), settings=settings, inputs=inputs) as target,
    ):
        for row in track(rows, "cams", total=len(rows)):
            image = transforms.to_tensor(pictures.read_photograph(row.image))
            size = image.shape[-2:]
            present = torch.tensor([about["classes"].index(name) for name in row.tags])
            maps = cam.multi_scale(activations, image, scales=scales, stride=stride, **of_network)[present - 1]
            target.add(
                row.id,
                tuple(size),
                cam=cam.normalised(maps).half().cpu().numpy(),
                classes=present.numpy().astype(np.uint8),
            )
