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

    from wsss import fitted_crf, manifest, store
    from wsss.crf.fit import fitted as learned
    from wsss.crf_teacher import Teacher
    from wsss.errors import WsssError
    from wsss.progress import LOG

    rows = manifest.read(images, split)
    if masks == "annotated":
        rows = [row for row in rows if row.mask]
    rows = manifest.evenly(rows, most_images)
    if len(rows) < 2:
        raise WsssError(
            f"a CRF is fitted on 2 images at least, this is {len(rows)}: see crf: most_images, and the masks of {split}"
        )
    if (masks == "pseudo") != bool(pseudo_masks):
        raise WsssError(
            f"masks is {masks!r}, and there are {len(pseudo_masks)} stores of pseudo masks: give one for pseudo"
        )
    start = replace(crf, engine="conv")
    with ExitStack() as opened:
        source = opened.enter_context(store.read(scores, "scores"))
        pseudo = [opened.enter_context(store.read(path, "pseudo_masks")) for path in pseudo_masks]
        if any(one.classes.names != source.classes.names for one in pseudo):
            raise WsssError(f"{pseudo_masks[0]} and {scores} are of different classes: give those of one run")
        teacher = Teacher(rows, source, pseudo[0] if pseudo else None, start)

        def told(epoch: int, loss: float, miou: float) -> None:
            LOG.info("crf: epoch %d of %d, loss %.4f, mIoU of the other half %.4f", epoch, fit.epochs, loss, miou)

        potentials, before, after = learned(start, teacher.example, len(rows), teacher.miou, fit=fit, told=told)
        about = {"images": len(rows), "split": split, "masks": masks, "miou before": before, "miou after": after}
        fitted_crf.write(fitted, start, potentials, classes=source.classes, about=about)
    LOG.info("crf: mIoU %.4f before, %.4f after, on the half that it did not learn from", before, after)
