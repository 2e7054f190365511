from pathlib import Path

from wsss.options import Crf


def pseudo_masks(
    *,
    images: Path,
    cams: Path,
    affinity_net: Path,
    shard: str,
    pseudo_masks: Path,
    alpha: float,
    beta: float,
    steps: int,
    crf: Crf,
) -> None:
    """Spread each image's activation maps by a random walk along learned affinities, and write the label maps.

    Args:
        images: manifest; the splits train, extra and held are gone over.
        cams: store of activation maps.
        affinity_net: the network that gives the affinities.
        shard: the part of the images to do, such as 2-of-3.
        pseudo_masks: store to write.
        alpha: exponent of the background score.
        beta: exponent of the affinities: larger is warier of unlike cells.
        steps: of the walk.
        crf: refines what the walk gives; engine none leaves it as it is.
    """
    from collections.abc import Iterator
    from dataclasses import asdict
    from functools import partial

    import numpy as np
    import torch

    from wsss import affinity, cues, grid, machine, manifest, networks, pictures, random_walk, store, transforms
    from wsss.parallel import mapped
    from wsss.progress import track
    from wsss.refinement import Scored, label_maps

    rows = manifest.part(manifest.read(images, *manifest.CUE_SPLITS), shard)
    network, about = networks.load(affinity_net, "affinity_net")
    network.to(machine.device())
    radius = int(about["settings"]["radius"])
    settings = {"alpha": alpha, "beta": beta, "steps": steps, "radius": radius, **asdict(crf)}
    inputs = {"images": images, "cams": cams, "affinity_net": affinity_net}

    def walked(source: store.Reader) -> Iterator[Scored]:
        for row in rows:
            maps = source[row.id]
            image = transforms.to_tensor(pictures.read_photograph(row.image))[None].to(machine.device())
            affinities = affinity.affinities(network(image), radius=radius)[0]
            cam = grid.to_pixels(
                torch.from_numpy(maps["cam"]).float()[None], source.size(row.id), stride=source.stride
            )[0]
            scores = grid.pooled(cues.with_background(cam, alpha=alpha), stride=network.stride)
            spread = random_walk.walk(scores.to(affinities), affinities, radius=radius, beta=beta, steps=steps)
            classes = np.concatenate([[0], maps["classes"]]).astype(np.uint8)
            yield Scored(row.id, row.image, source.size(row.id), spread.float().cpu().numpy(), network.stride, classes)

    with (
        torch.inference_mode(),
        store.read(cams, "cams") as source,
        store.create(pseudo_masks, "pseudo_masks", classes=source.classes, settings=settings, inputs=inputs) as target,
    ):
        masks = mapped(partial(label_maps, parameters=crf), walked(source))
        for image, maps in track(masks, "pseudo_masks", total=len(rows)):
            target.add(image.id, image.size, **maps)
