"""The names of images' groups in a store."""

import h5py


def key_of(image_id: str) -> str:
    """The name of an image's group: its id, but for a slash (%2F), which HDF5 takes for a group in a group.

    A percent sign is %25, and the ids `.` and `..`, which HDF5 does not take, are %2E and %2E%2E.
    """
    if image_id in (".", ".."):
        return image_id.replace(".", "%2E")
    return image_id.replace("%", "%25").replace("/", "%2F")


def id_of(key: str) -> str:
    """The id of an image from the name of its group; see `key_of`."""
    return key.replace("%2E", ".").replace("%2F", "/").replace("%25", "%")


def keys_of(file: h5py.File) -> list[str]:
    """The names of all groups of a store.

    Raises:
        ValueError: one is the name of no image, or no UTF-8.
    """
    keys = list(file)
    for key in keys:
        if isinstance(key, bytes) or key_of(id_of(key)) != key:  # h5py gives bytes where they are no UTF-8
            raise ValueError(f"{key!r} is the name of no image")
    return keys
