"""Class activation maps as the files that PSA's and IRN's programs read."""

from typing import Annotated, Literal

import tyro

from wsss.commands.positional import Folder, Store
from wsss.commands.terminal import say


def cams_export(
    store: Store, folder: Folder, /, *, as_: Annotated[Literal["psa", "irn"], tyro.conf.arg(name="as")] = "psa"
) -> None:
    """Write a store of CAMs as ID.npy files of PSA or IRN, at the size of the images that the run works on.

    Args:
        store: store of CAMs, such as results/cams.h5.
        folder: where to write them.
        as_: psa, dicts from classes to maps; irn, dicts with keys, cam and high_res. Class k has the value k + 1 in
            masks.
    """
    import torch

    from wsss.exchange import cams
    from wsss.exchange.pictures import file_of
    from wsss.maths import grid
    from wsss.runtime.progress import track
    from wsss.stores.store import read

    with read(store, "cams") as source:
        for image_id in track(source, "cams_export", total=len(source)):
            arrays, path = source[image_id], file_of(folder, image_id, ".npy")
            numbers = [source.classes.mask_values[label] - 1 for label in arrays["classes"].tolist()]
            maps = torch.from_numpy(arrays["cam"]).float()
            pixels = grid.to_pixels(maps[None], source.size(image_id), stride=source.stride)[0]
            if as_ == "psa":
                cams.write_psa(path, dict(zip(numbers, pixels.numpy(), strict=True)))
            else:
                same = source.stride == cams.IRN_STRIDE
                smaller = maps if same else grid.pooled(pixels, stride=cams.IRN_STRIDE)
                cams.write_irn(path, numbers, smaller.numpy(), pixels.numpy())
        say(f"{folder}: activation maps of {len(source)} images as {as_}")
