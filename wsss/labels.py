"""Values that a label map may hold, VOC's class names, and the palette in which masks are shown."""

BACKGROUND = 0
VOID = 255
"""Label of pixels that are in no loss and, as ground truth, in no score."""

VOC_CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
"""The 20 object classes of PASCAL VOC; the class at position i has the value i + 1 in the masks."""


def colour(value: int) -> tuple[int, int, int]:
    """RGB colour of a mask value in VOC's palette: three bits of the value go to each of R, G, B, high bits first."""
    rgb = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            rgb[channel] |= (value >> (3 * bit + channel) & 1) << (7 - bit)
            # value's bits beyond the eighth are zero, so the shift never reaches past them
    return rgb[0], rgb[1], rgb[2]


def palette() -> list[int]:
    """The 256 colours one after another, as Pillow's putpalette takes them."""
    return [channel for value in range(256) for channel in colour(value)]
