from pathlib import Path

from wsss.options.crf import Crf
from wsss.options.flat import recorded


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
    border_score: float,
    rescale_power: float,
    crf: Crf,
) -> None:
    """Propagate each image's activation maps by a random walk on learned affinities, and write label maps.

    Args:
        images: manifest; the splits train, extra and crf_fit are processed.
        cams: store of activation maps.
        affinity_net: network that predicts the affinities.
        shard: part of the images to process, such as 2-of-3.
        pseudo_masks: store to write.
        alpha: exponent of the background score.
        beta: exponent of the affinities; larger values suppress transitions between dissimilar cells.
        steps: number of steps of the random walk.
        border_score: of the background at the image's border as the walk begins, where maps are set to 0; 0 in PSA.
        rescale_power: each map is divided by its own maximum to this power after the walk; 0 in PSA.
        crf: CRF that refines the result of the walk; engine none leaves it unchanged.
    """
    from collections.abc import Iterator
    from functools import partial

    import numpy as np
    import torch

    from wsss.datasets import batches, manifest
    from wsss.maths import cues, grid
    from wsss.maths.photographs import to_tensor
    from wsss.networks import file
    from wsss.networks.affinity_net import AffinityNet
    from wsss.psa import affinity, random_walk
    from wsss.results.refinement import Scored, label_maps
    from wsss.runtime import machine
    from wsss.runtime.parallel import mapped
    from wsss.runtime.progress import track
    from wsss.stores import store

    listed = manifest.read(images, *manifest.CUE_SPLITS)
    rows = manifest.part(listed, shard)
    network, about = file.load(affinity_net, AffinityNet)
    network.to(machine.device())
    radius = file.whole_setting(affinity_net, about, "radius")
    walk = {"alpha": alpha, "beta": beta, "walk_steps": steps, "radius": radius}  # steps are the CRF's
    settings = recorded(walk, {"border_score": border_score, "rescale_power": rescale_power}, crf)
    inputs = {"images": images, "cams": cams, "affinity_net": affinity_net}

    def affinities_of(photographs: np.ndarray) -> torch.Tensor:
        return affinity.affinities(network(to_tensor(photographs, machine.device())), radius=radius)

    def walked(source: store.Reader) -> Iterator[Scored]:
        for row, photograph, affinities in batches.of_each(affinities_of, listed, shard, scales=(1,)):
            maps = source.fitting(row.id, photograph.shape[:2])
            # to pixels and back to cells: CAMs and affinities have different grids, and the means over a cell's pixels
            # differ from the values on the grid of the CAMs, so omitting this step would change the maps
            cam = torch.from_numpy(maps["cam"]).to(affinities.device).float()
            (cam,) = grid.to_pixels(cam[None], source.size(row.id), stride=source.stride)
            scores = grid.pooled(cues.with_background(cam, alpha=alpha), stride=network.stride)
            scores = random_walk.with_border(scores, score=border_score)
            spread = random_walk.walk(scores, affinities, radius=radius, beta=beta, steps=steps)
            classes = np.concatenate([[0], maps["classes"]]).astype(np.uint8)
            maps = random_walk.rescaled(spread, power=rescale_power).cpu().numpy()
            yield Scored(row.id, photograph, source.size(row.id), maps, network.stride, classes)

    with (
        torch.inference_mode(),
        store.read(cams, "cams") as source,
        store.create(pseudo_masks, "pseudo_masks", classes=source.classes, settings=settings, inputs=inputs) as target,
    ):
        manifest.require_classes(rows, source.classes, cams)
        masks = mapped(partial(label_maps, parameters=crf), walked(source))
        for image, maps in track(masks, "pseudo_masks", total=len(rows)):
            target.add(image.id, image.size, **maps)
