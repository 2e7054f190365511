from pathlib import Path


def cue_scores(
    *,
    images: Path,
    cams: list[Path],
    cues: tuple[Path, ...],
    background: float,
    oracle: tuple[float, ...],
    json: Path,
) -> None:
    """Score CAMs, pseudo masks and seeds on the training images that have true masks.

    Args:
        images: manifest; the images of the split train that have true masks are scored.
        cams: store of activation maps; one or none.
        cues: stores of label maps of the training images: dense ones, which get an mIoU, and sparse ones (seeds), which
            get coverage and precision.
        background: threshold of the CAMs; a pixel is background where every map is at most this.
        oracle: values of `background` from which the true masks select the best; reported apart: no method may do so.
        json: JSON to write.
    """
    from contextlib import ExitStack

    from wsss.datasets import manifest
    from wsss.maths.cues import cam_labels
    from wsss.results import evaluation
    from wsss.runtime import progress
    from wsss.runtime.errors import WsssError
    from wsss.runtime.files import write_json
    from wsss.runtime.progress import track
    from wsss.stores import store

    rows = [row for row in manifest.read(images, "train") if row.mask]
    content: dict[str, object] = {"split": "train", "images": len(rows), "image tags": "used"}
    content["manifest"] = store.digest(images)
    backgrounds = tuple(sorted({background, *oracle}))  # of equally good ones the lowest is the best
    with ExitStack() as stack:
        maps = [stack.enter_context(store.read(path, "cams")) for path in cams]
        sources = {kind: stack.enter_context(store.read(path, kind)) for path in cues for kind in [store.kind_of(path)]}
        first = [*maps, *sources.values()][0]
        for reader in (*maps, *sources.values()):
            if reader.classes != first.classes:
                raise WsssError(f"{reader.path} and {first.path} have different classes: give stores of the same run")
        counts, precisions = evaluation.Counts(first.classes), dict.fromkeys(sources)
        for row in track(rows, "cue_scores", total=len(rows)):
            true = evaluation.truth(row, first.classes)
            size = true.shape
            found: dict = {}
            for of in maps:
                labels = cam_labels(**of.fitting(row.id, size), size=size, stride=of.stride, backgrounds=backgrounds)
                found = {("cam", value): label for value, label in labels.items()}
            for kind, source in sources.items():
                arrays = source.fitting(row.id, size)
                if "labels" in arrays:
                    precisions[kind] = precisions[kind] or evaluation.CuePrecision()
                    sparse = evaluation.at_pixels(arrays["labels"], size, source)
                    precisions[kind].add(true, sparse)
                else:
                    found |= {(kind, name): mask for name, mask in arrays.items()}
            counts.add(row, found)
    if rows:
        scores = counts.table()
        of_cam = {value: score for (kind, value), score in scores.items() if kind == "cam"}
        if of_cam:
            best = max(of_cam, key=lambda value: of_cam[value]["miou"])
            content["cam"] = {"background": background, **of_cam[background]}
            content["cam_oracle"] = {"background": best, "chosen by": "the true masks", **of_cam[best]}
            progress.note(f"mIoU of the CAM {100 * of_cam[background]['miou']:.1f}")
        for kind, precision in precisions.items():
            dense = {name: score for (of, name), score in scores.items() if of == kind}
            content[kind] = precision.shares() if precision else dense
    write_json(json, content)
