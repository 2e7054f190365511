from pathlib import Path
from typing import Literal

from wsss.options.crf import Crf, Fit


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
    """Fit the parameters of the CRF that refines a method's class probabilities, on some images of a split.

    Args:
        images: manifest.
        scores: store of class probabilities of that split.
        pseudo_masks: store of label maps to learn from instead of true masks; one or none.
        fitted: JSON to write: the fitted CRF, an input of the stage masks.
        split: split of the scores.
        masks: labels that the CRF learns from: pseudo masks, or true masks (annotated); with the latter, supervision
            is no longer weak.
        most_images: maximum number of images, evenly spaced; half of them for fitting, half for validation.
        crf: initial parameters, and settings of the engine.
        fit: settings of the fit.
    """
    from contextlib import ExitStack

    from wsss.crf.fit import fitted as fit_potentials
    from wsss.datasets import manifest
    from wsss.options.crf import TRAINABLE
    from wsss.results import fitted_crf
    from wsss.results.fit_data import FitData
    from wsss.runtime.errors import WsssError
    from wsss.runtime.progress import LOG
    from wsss.stores import store

    rows = manifest.read(images, split)
    if masks == "annotated":
        rows = [row for row in rows if row.mask]
    rows = manifest.evenly(rows, most_images)
    if len(rows) < 2:
        raise WsssError(
            f"images for fitting a CRF: {len(rows)}, expected at least 2: raise most_images or add masks to {split}"
        )
    if (masks == "pseudo") != bool(pseudo_masks):
        raise WsssError(
            f"masks is {masks!r} with {len(pseudo_masks)} stores of pseudo masks: give one for 'pseudo', else none"
        )
    if crf.engine not in TRAINABLE:
        raise WsssError(f"a CRF of engine {crf.engine} cannot be fitted: expected one of {', '.join(TRAINABLE)}")
    with ExitStack() as stack:
        source = stack.enter_context(store.read(scores, "scores"))
        pseudo = [stack.enter_context(store.read(path, "pseudo_masks")) for path in pseudo_masks]
        if any(reader.classes.names != source.classes.names for reader in pseudo):
            raise WsssError(f"{pseudo_masks[0]} and {scores} have different classes: give files of the same run")
        data = FitData(rows, source, pseudo[0] if pseudo else None, crf)

        def on_epoch(epoch: int, loss: float, miou: float) -> None:
            LOG.info("crf: epoch %d of %d, loss %.4f, validation mIoU %.4f", epoch, fit.epochs, loss, miou)

        potentials, before, after = fit_potentials(crf, data.example, len(rows), data.miou, fit=fit, on_epoch=on_epoch)
        about = {"images": len(rows), "split": split, "masks": masks, "miou before": before, "miou after": after}
        fitted_crf.write(fitted, crf, potentials, classes=source.classes, about=about)
    LOG.info("crf: validation mIoU %.4f before fitting, %.4f after", before, after)
