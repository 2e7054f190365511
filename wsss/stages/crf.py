from pathlib import Path
from typing import Literal

from wsss.options import Crf, Fit


def crf(
    *,
    images: Path,
    scores: Path,
    pseudo_masks: list[Path],
    fitted: Path,
    split: str,
    masks: Literal["annotated", "pseudo"],
    most_images: int,
    crf: Crf,
    fit: Fit,
) -> None:
    """Learn the numbers of the CRF that refines a method's scores, on some images of a split.

    Args:
        images: manifest.
        scores: store of class probabilities of that split.
        pseudo_masks: store of label maps, where those take the place of true masks.
        fitted: JSON to write: what stage masks takes for its CRF.
        split: the split that the scores are of.
        masks: what the CRF learns from: pseudo masks, or the true ones (annotated), with which supervision is no longer
            weak.
        most_images: so many of the split's images, evenly spaced; half of them judge what the other half taught.
        crf: the numbers to begin with, and the settings of engine conv.
        fit: how they are learned.
    """
    from contextlib import ExitStack
    from dataclasses import replace

    import numpy as np
    import torch

    from wsss import crf as crfs
    from wsss import evaluation, fitted_crf, manifest, metrics, store
    from wsss.crf.fit import Example
    from wsss.crf.fit import fitted as learned
    from wsss.crf.potentials import Potentials
    from wsss.errors import WsssError
    from wsss.pictures import read_photograph
    from wsss.progress import LOG
    from wsss.refinement import scored

    rows = manifest.evenly(manifest.read(images, split), most_images)
    if len(rows) < 2:
        raise WsssError(f"a CRF is fitted on 2 images at least, there is {len(rows)} of {split}: see images: held_out")
    if masks == "annotated":
        evaluation.demand_masks(rows, images)
    start = replace(crf, engine="conv")
    with store.read(scores, "scores") as source, ExitStack() as opened:
        pseudo = [opened.enter_context(store.read(path, "pseudo_masks")) for path in pseudo_masks]

        def example(rank: int) -> Example:
            row = rows[rank]
            unary = crfs.unary_of(scored(row, source).at_pixels().numpy())
            labels = evaluation.truth(row, source.classes) if masks == "annotated" else pseudo[0][row.id]["plain"]
            return torch.from_numpy(unary), torch.from_numpy(read_photograph(row.image)), torch.from_numpy(labels)

        def judge(potentials: Potentials) -> float:
            counts = np.zeros((len(source.classes.names), len(source.classes.names) + 1), np.int64)
            for rank in range(1, len(rows), 2):
                unary, photograph, labels = example(rank)
                refined = crfs.refine(unary.numpy(), photograph.numpy(), start, potentials=potentials).argmax(0)
                counts += metrics.confusion(labels.numpy(), refined.astype(np.uint8), classes=len(counts))
            return metrics.mean_iou(counts)

        def told(epoch: int, loss: float, miou: float) -> None:
            LOG.info("crf: epoch %d of %d, loss %.4f, mIoU of the other half %.4f", epoch, fit.epochs, loss, miou)

        potentials, before, after = learned(start, example, len(rows), judge, fit=fit, told=told)
        about = {"images": len(rows), "split": split, "masks": masks, "miou before": before, "miou after": after}
        fitted_crf.write(fitted, start, potentials, classes=source.classes, about=about)
    LOG.info("crf: mIoU %.4f before, %.4f after, on the half that it did not learn from", before, after)
