"""Values that a label map may hold, VOC's class names, and the palette in which masks are shown."""

from dataclasses import dataclass

from wsss.errors import WsssError

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


@dataclass(frozen=True)
class Classes:
    """The classes of a data set; position 0 is the background."""

    names: tuple[str, ...]
    mask_values: tuple[int, ...]
    """The value of each class in the ground-truth masks, the background's 0 first."""

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names) or len(set(self.mask_values)) != len(self.mask_values):
            words = (f"{name}={value}" for name, value in zip(self.names, self.mask_values, strict=True))
            raise WsssError(f"classes: a name or a mask value stands twice: {' '.join(words)}")
        if not self.mask_values or self.mask_values[0] != BACKGROUND:
            raise WsssError(f"classes: the first is the background, with the mask value {BACKGROUND}")
        for name, value in zip(self.names[1:], self.mask_values[1:], strict=True):
            if not BACKGROUND < value < VOID or not name or set(name) & set(" ,;"):
                raise WsssError(f"classes: {name!r}: {value}: a name has no spaces, and a mask value lies in 1..254")

    @classmethod
    def of(cls, foreground: dict[str, int]) -> "Classes":
        """The classes of a configuration's table of names and mask values, with the background put first."""
        return cls(("background", *foreground), (BACKGROUND, *foreground.values()))

    @property
    def foreground(self) -> tuple[str, ...]:
        return self.names[1:]

    @property
    def colours(self) -> tuple[tuple[int, int, int], ...]:
        """RGB of each class, in VOC's palette."""
        return tuple(colour(value) for value in self.mask_values)
