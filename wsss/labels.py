"""Values that a label map may hold, VOC's class names, and the palette in which masks are shown."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsss.runtime.errors import WsssError

if TYPE_CHECKING:
    import numpy as np

BACKGROUND = 0
VOID = 255
"""Label of pixels that all losses ignore and, in ground truth, all scores."""

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
    """The 256 colours as one flat list, as Pillow's putpalette expects."""
    return [channel for value in range(256) for channel in colour(value)]


FILE_NAME = "file_name"
"""The first column of tables of photographs, whose other columns are classes."""


@dataclass(frozen=True)
class Classes:
    """The classes of a data set; position 0 is the background."""

    names: tuple[str, ...]
    mask_values: tuple[int, ...]
    """The value of each class in the ground-truth masks, the background's 0 first."""

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names) or len(set(self.mask_values)) != len(self.mask_values):
            entries = (f"{name}={value}" for name, value in zip(self.names, self.mask_values, strict=True))
            raise WsssError(f"classes: a name or a mask value occurs twice: {' '.join(entries)}: make each unique")
        if not self.mask_values or self.mask_values[0] != BACKGROUND:
            raise WsssError(f"classes: the first class must be the background, with mask value {BACKGROUND}")
        if FILE_NAME in self.names:
            raise WsssError(f"classes: {FILE_NAME} is the first column of tables of areas: give it another name")
        for name, value in zip(self.names[1:], self.mask_values[1:], strict=True):
            if not BACKGROUND < value < VOID or name != name.strip() or not name.isprintable() or not name:
                odd = sorted({f"U+{ord(letter):04X}" for letter in name if not letter.isprintable()})
                expected = "expected a name in one line, without spaces around it, and a mask value from 1 to 254"
                told = f" (it has the characters {', '.join(odd)}, which cannot be seen)" if odd else ""
                raise WsssError(f"classes: {name!r} with mask value {value}: {expected}{told}")

    @classmethod
    def of(cls, foreground: dict[str, int]) -> "Classes":
        """The classes of a table of names and mask values, with the background added in front."""
        return cls(("background", *foreground), (BACKGROUND, *foreground.values()))

    def indices_of(self, mask: "np.ndarray") -> "np.ndarray":
        """Convert mask values to class indices (uint8); void stays VOID.

        Raises:
            WsssError: a mask value belongs to no class.
        """
        import numpy as np  # numpy is imported after the number of threads is set

        table = np.full(VOID + 1, -1)
        table[list(self.mask_values)] = np.arange(len(self.mask_values))
        table[VOID] = VOID
        indices = table[mask]
        if (indices < 0).any():
            unknown = sorted(set(mask[indices < 0].tolist()))
            raise WsssError(f"mask value {', '.join(map(str, unknown))} belongs to no class")
        return indices.astype(np.uint8)

    def values_of(self, labels: "np.ndarray") -> "np.ndarray":
        """Convert class indices to mask values (uint8); VOID stays VOID."""
        import numpy as np

        table = np.full(VOID + 1, VOID, np.uint8)
        table[: len(self.mask_values)] = self.mask_values
        return table[labels]

    @property
    def foreground(self) -> tuple[str, ...]:
        return self.names[1:]

    @property
    def colours(self) -> tuple[tuple[int, int, int], ...]:
        """RGB of each class, in VOC's palette."""
        return tuple(colour(value) for value in self.mask_values)
