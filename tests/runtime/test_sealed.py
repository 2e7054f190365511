"""Files of tensors and plain values that say whether they are damaged."""

import pytest
import torch

from wsss.runtime import sealed

CONTENT = {
    "weights": {"a": torch.arange(64.0).reshape(8, 8), "b": torch.zeros(0), "c": torch.tensor(True)},
    "steps": [{"loss": 0.1}, {"loss": float("inf")}],
    "name": "x",
    "nothing": None,
}


def saved(path):
    sealed.save(path, CONTENT)
    return path


def test_a_round_trip(tmp_path):
    found, whole = sealed.load(saved(tmp_path / "x.pt"))
    assert whole
    assert found.keys() == CONTENT.keys()
    assert sealed.digest(found) == sealed.digest(CONTENT)
    torch.testing.assert_close(found["weights"]["a"], CONTENT["weights"]["a"])


def test_the_same_content_is_the_same_bytes(tmp_path):
    assert saved(tmp_path / "x.pt").read_bytes() == saved(tmp_path / "another name.pt").read_bytes()


def test_any_flipped_byte_that_changes_the_content_is_noticed(tmp_path):
    content = bytearray(saved(tmp_path / "x.pt").read_bytes())
    told = 0
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 0x55
        (tmp_path / "y.pt").write_bytes(damaged)
        try:
            found, whole = sealed.load(tmp_path / "y.pt")
        except sealed.Damaged:
            told += 1
        else:  # a byte of the archive's own, such as a time or a padding; or of the word before the digest
            assert not whole or sealed.digest(found) == sealed.digest(CONTENT)
    assert told > 100


def test_content_that_was_read_before_is_the_same_bytes(tmp_path):
    found, _ = sealed.load(saved(tmp_path / "x.pt"))
    more = {"again": [{"loss": 0.1}, {"name": "x"}]}
    sealed.save(tmp_path / "y.pt", CONTENT | more)
    sealed.save(tmp_path / "z.pt", found | more)
    assert (tmp_path / "y.pt").read_bytes() == (tmp_path / "z.pt").read_bytes()


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_a_truncated_file(tmp_path, share):
    path = saved(tmp_path / "x.pt")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(sealed.Damaged):
        sealed.load(path)
    with pytest.raises(FileNotFoundError):
        sealed.load(tmp_path / "gone.pt")


def test_order_and_types_count():
    assert sealed.digest({"a": 1}) != sealed.digest({"a": 1.0})
    assert sealed.digest([1, 2]) != sealed.digest([2, 1])
    assert sealed.digest(torch.zeros(2, 3)) != sealed.digest(torch.zeros(3, 2))
    assert sealed.digest(torch.zeros(2)) != sealed.digest(torch.zeros(2, dtype=torch.int32))
