from pathlib import Path


def cue_scores(
    *, images: Path, cams: Path, pseudo_masks: Path, background: float, oracle: tuple[float, ...], json: Path
) -> None:
    """Score the cues of the training images that have true masks: how good are CAM and pseudo masks?

    Args:
        images: manifest; the split train is scored, where masks are.
        cams: store of activation maps.
        pseudo_masks: store of label maps.
        background: a pixel is background where every map is at most this.
        oracle: values of `background` among which the true masks choose the best; told apart, for no method has it.
        json: file to write.
    """
    from wsss import cues, evaluation, manifest, store
    from wsss.progress import track

    rows = [row for row in manifest.read(images, "train") if row.mask]
    content: dict[str, object] = {"split": "train", "images": len(rows), "image tags": "used"}
    if rows:
        with store.read(cams, "cams") as maps, store.read(pseudo_masks, "pseudo_masks") as masks:
            counts = evaluation.Counts(maps.classes)
            for row in track(rows, "cue_scores", total=len(rows)):
                labels = cues.cam_labels(
                    **maps[row.id],
                    size=maps.size(row.id),
                    stride=maps.stride,
                    backgrounds=tuple({background, *oracle}),
                )
                walked = {f"pseudo_masks {name}": mask for name, mask in masks[row.id].items()}
                counts.add(row, {**{f"cam {value}": label for value, label in labels.items()}, **walked})
            scores = counts.table()
        best = max(
            (float(name.split()[1]) for name in scores if name.startswith("cam ")),
            key=lambda v: scores[f"cam {v}"]["miou"],
        )
        content["cam"] = {"background": background, **scores[f"cam {background}"]}
        content["cam_oracle"] = {"background": best, "chosen by": "the true masks", **scores[f"cam {best}"]}
        content["pseudo_masks"] = {
            name.split()[1]: score for name, score in scores.items() if name.startswith("pseudo_masks ")
        }
    evaluation.write_json(json, content)
