"""What a training logs for TensorBoard, read as TensorBoard reads it."""

import pytest
from runs import STEPS, assert_equal, cut_off_at, rows, train

from wsss.options import training
from wsss.runtime.errors import WsssError

pytestmark = pytest.mark.usefixtures("on_the_cpu")


def shown(folder):
    """The values that TensorBoard shows of a training: for each name those of each step."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder / "curve")).Reload()
    return {name: [(each.step, each.value) for each in events.Scalars(name)] for name in events.Tags()["scalars"]}


def assert_shows(folder, curve):
    found = shown(folder)
    assert set(found) == {"learning_rate", "loss"}
    for name, values in found.items():
        assert [step for step, _ in values] == [row["step"] for row in rows(curve)]
        assert [value for _, value in values] == pytest.approx([row[name] for row in rows(curve)])  # in float32


def test_it_shows_the_curve_and_changes_nothing(tmp_path, undisturbed):
    folder = tmp_path / "tensorboard"
    found = train(tmp_path, tensorboard=(folder,))
    assert_equal(found, undisturbed)
    assert_shows(folder, found[1])


@pytest.mark.parametrize("before", [True, False], ids=["logged from the start", "turned on after the interruption"])
def test_a_training_that_was_cut_off_is_shown_once_and_whole(tmp_path, undisturbed, before):
    folder = tmp_path / "tensorboard"
    cut_off_at(tmp_path, 5, tensorboard=(folder,) if before else ())
    assert_equal(train(tmp_path, tensorboard=(folder,)), undisturbed)
    assert_shows(folder, undisturbed[1])


def test_a_training_that_was_finished_before_is_shown(tmp_path, undisturbed):
    train(tmp_path)
    folder = tmp_path / "tensorboard"
    assert_equal(train(tmp_path, tensorboard=(folder,)), undisturbed)
    assert_shows(folder, undisturbed[1])


def test_a_training_with_other_options_replaces_what_was_shown(tmp_path):
    folder = tmp_path / "tensorboard"
    train(tmp_path, tensorboard=(folder,), epochs=4)
    _, curve = train(tmp_path, tensorboard=(folder,), digest="b")
    assert len(rows(curve)) == STEPS
    assert_shows(folder, curve)


def test_without_the_package_nothing_trains_and_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    with pytest.raises(WsssError) as told:
        train(tmp_path, tensorboard=(tmp_path / "tensorboard",))
    way_out = "pip install tensorboard, or set it to false"
    assert str(told.value) == f"config: tensorboard: true needs the package tensorboard: {way_out}"
    assert list(tmp_path.iterdir()) == []
    train(tmp_path)
