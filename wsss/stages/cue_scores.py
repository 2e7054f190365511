from pathlib import Path


def cue_scores(
    *,
    images: Path,
    cams: Path,
    pseudo_masks: tuple[Path, ...],
    seeds: tuple[Path, ...],
    background: float,
    oracle: tuple[float, ...],
    json: Path,
) -> None:
    """Score the cues of the training images that have true masks: how good are CAM, pseudo masks and seeds?

    Args:
        images: manifest; the split train is scored, where masks are.
        cams: store of activation maps.
        pseudo_masks: store of label maps; none where no method makes them.
        seeds: store of seeds; none where no method makes them.
        background: a pixel is background where every map is at most this.
        oracle: values of `background` among which the true masks choose the best; told apart, for no method has it.
        json: file to write.
    """
    from contextlib import ExitStack

    from wsss import cues, evaluation, manifest, store
    from wsss.pictures import stretched
    from wsss.progress import track

    rows = [row for row in manifest.read(images, "train") if row.mask]
    content: dict[str, object] = {"split": "train", "images": len(rows), "image tags": "used"}
    with ExitStack() as opened:
        maps = opened.enter_context(store.read(cams, "cams"))
        masks = [opened.enter_context(store.read(path, "pseudo_masks")) for path in pseudo_masks]
        seeded = [opened.enter_context(store.read(path, "seeds")) for path in seeds]
        counts, certain = evaluation.Counts(maps.classes), evaluation.Certain()
        for row in track(rows, "cue_scores", total=len(rows)):
            size = maps.size(row.id)
            labels = cues.cam_labels(
                **maps[row.id], size=size, stride=maps.stride, backgrounds=tuple({background, *oracle})
            )
            found = {f"cam {value}": label for value, label in labels.items()}
            for source in masks:
                found |= {f"pseudo_masks {name}": mask for name, mask in source[row.id].items()}
            counts.add(row, found)
            for source in seeded:
                certain.add(evaluation.truth(row, maps.classes), stretched(source[row.id]["labels"], size))
    if rows:
        scores = counts.table()
        values = [float(name.split()[1]) for name in scores if name.startswith("cam ")]
        best = max(values, key=lambda value: scores[f"cam {value}"]["miou"])
        content["cam"] = {"background": background, **scores[f"cam {background}"]}
        content["cam_oracle"] = {"background": best, "chosen by": "the true masks", **scores[f"cam {best}"]}
        walked = {name.split()[1]: score for name, score in scores.items() if name.startswith("pseudo_masks ")}
        content |= {"pseudo_masks": walked} if walked else {}
        content |= {"seeds": certain.shares()} if seeded else {}
    evaluation.write_json(json, content)
