"""Weakly supervised semantic segmentation: from photographs and their tags to a label for every pixel."""


def load(path, *, crf: bool = True):  # noqa: ANN001, ANN201
    """A trained segmenter that labels photographs; see `wsss.results.inference.load`."""
    from wsss.results.inference import load  # imported late: torch takes seconds

    return load(path, crf=crf)
