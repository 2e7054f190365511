"""The training loop: a run that is cut off goes on as if it had not been; schedules, optimizers and curves."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import settings
import torch
from runs import LENGTH, STEPS, CutOff, assert_equal, cut_off_at, item, rows, steps_of, tag_loss, train

from wsss.networks.classifier import Classifier
from wsss.networks.network import Network
from wsss.runtime import sealed
from wsss.runtime.errors import WsssError
from wsss.training import loop

pytestmark = pytest.mark.usefixtures("on_the_cpu")


def test_the_seed_decides(tmp_path, undisturbed):
    assert_equal(train(tmp_path / "a"), undisturbed)
    torch.rand(5)
    other = train(tmp_path / "b", seed=5)
    assert other[1] != undisturbed[1]


@pytest.mark.parametrize("step", [1, 4, 5, 8])
def test_a_run_that_was_cut_off_ends_as_if_it_had_not(tmp_path, undisturbed, log, step):
    checkpoint = cut_off_at(tmp_path, step)
    assert checkpoint.exists() == (step >= 2)
    assert_equal(train(tmp_path), undisturbed)
    assert steps_of(checkpoint) == STEPS
    if step >= 2:
        assert f"resumes at step {step // 2 * 2}" in log.text


def test_cut_off_twice(tmp_path, undisturbed):
    cut_off_at(tmp_path, 3)
    cut_off_at(tmp_path, 4)  # at step 2 + 4
    assert_equal(train(tmp_path), undisturbed)


def test_adamw_goes_on_too(tmp_path):
    options = dict(optimizer="adamw", learning_rate=0.001)
    expected = train(tmp_path / "a", **options)
    cut_off_at(tmp_path / "b", 5, **options)
    assert_equal(train(tmp_path / "b", **options), expected)


def test_a_checkpoint_of_another_run_is_not_gone_on_from(tmp_path, undisturbed, log):
    cut_off_at(tmp_path, 5, digest="of other options", learning_rate=0.5)
    assert_equal(train(tmp_path), undisturbed)
    assert "checkpoint.pt is of a run with other options, inputs or code: training restarts from scratch" in log.text


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: b"no checkpoint", lambda whole: whole[:-2000]])
def test_a_damaged_checkpoint_is_not_gone_on_from(tmp_path, undisturbed, log, damage):
    checkpoint = cut_off_at(tmp_path, 5)
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    assert_equal(train(tmp_path), undisturbed)
    assert "checkpoint.pt is damaged" in log.text
    assert "training restarts from scratch" in log.text


@pytest.mark.parametrize("content", [{"kind": "classifier"}, [1, 2]])
def test_a_file_that_is_no_checkpoint_is_not_gone_on_from(tmp_path, undisturbed, log, content):
    checkpoint = tmp_path / "run/checkpoint.pt"
    checkpoint.parent.mkdir()
    torch.save(content, checkpoint)
    assert_equal(train(tmp_path), undisturbed)
    assert "training restarts from scratch" in log.text


@pytest.mark.parametrize("checkpoint_steps", [1, 4, 1000])
def test_checkpoints_change_nothing(tmp_path, undisturbed, checkpoint_steps):
    assert_equal(train(tmp_path, checkpoint_steps=checkpoint_steps), undisturbed)
    (checkpoint,) = (tmp_path / "run").iterdir()
    assert steps_of(checkpoint) == STEPS


def test_the_digest_follows_options_and_inputs(tmp_path):
    table = tmp_path / "images.csv"
    table.write_text("a")

    def digest(stage: str, epochs: int) -> str:
        return loop.Task(
            stage, item, [str(position) for position in range(LENGTH)], tag_loss, {"epochs": epochs}, [table]
        ).digest()

    first = digest("classifier", 3)
    assert digest("classifier", 3) == first
    assert digest("classifier", 4) != first
    assert digest("cams", 3) != first
    table.write_text("b")
    assert digest("classifier", 3) != first


def test_inputs_of_one_name_are_told_apart(tmp_path):
    paths = [tmp_path / folder / "classifier.safetensors" for folder in ("ours", "theirs")]
    for path in paths:
        path.parent.mkdir()
        path.write_text("a")
    task = loop.Task("classifier", item, ["0"], tag_loss, {}, paths)
    assert list(task.digests) == ["classifier.safetensors"]
    paths[0].write_text("b")
    changed = replace(task)
    assert set(changed.digests) == {"classifier.safetensors", "another classifier.safetensors"}
    assert changed.digest() != task.digest()


def test_poly_schedule_by_hand(tmp_path):
    _, curve = train(tmp_path, length=8, batch_size=2, epochs=1, learning_rate=0.1, power=0.5)
    found = rows(curve)
    assert [row["step"] for row in found] == [0, 1, 2, 3]
    np.testing.assert_allclose([row["learning_rate"] for row in found], 0.1 * np.sqrt([1, 0.75, 0.5, 0.25]))


def test_a_rate_that_drops_by_hand(tmp_path):
    # 8 steps, 3 drops: a drop after each 2 of them, as SEC has it after each 2,000 of 8,000
    _, curve = train(tmp_path, length=8, batch_size=2, epochs=2, learning_rate=0.1, lr_drops=3)
    found = [row["learning_rate"] for row in rows(curve)]
    np.testing.assert_allclose(found, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001])


def test_epochs_need_not_be_whole(tmp_path):
    _, curve = train(tmp_path, length=10, batch_size=3, epochs=1.5)  # of 3 steps each
    assert len(rows(curve)) == 4
    assert replace(settings.SGD, epochs=8000 / 705, batch_size=15).steps(10_582) == 8000


def test_the_parts_of_a_loss_stand_in_curve_and_log(tmp_path, log):
    def loss(
        model: torch.nn.Module, batch: list[torch.Tensor], done: float = 0
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        value = tag_loss(model, batch, done)
        return value, {"half": value / 2, "rest": value - value / 2}

    found = rows(train(tmp_path, loss=loss)[1])
    assert len(found) == STEPS
    for row in found:
        assert row["half"] + row["rest"] == pytest.approx(row["loss"])
    assert re.search(r"classifier: step 9, loss [\d.]+, half [\d.]+, rest [\d.]+", log.text)


def test_the_curve_holds_the_losses(tmp_path):
    told = []

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float = 0) -> torch.Tensor:
        value = tag_loss(model, batch, done)
        told.append(value.item())
        return value

    _, curve = train(tmp_path, loss=loss)
    assert [row["loss"] for row in rows(curve)] == told
    assert len(told) == STEPS


def changes_of(folder: Path, **options) -> dict[str, torch.Tensor]:
    """What one step without momentum changes."""
    one = dict(length=3, epochs=1, momentum=0, weight_decay=0) | options
    seen = {}

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float = 0) -> torch.Tensor:
        seen.update({name.removeprefix("_forward_module."): p.detach().clone() for name, p in model.named_parameters()})
        return tag_loss(model, batch, done)

    weights, _ = train(folder, loss=loss, **one)
    found = {name: weights[name] - seen[name.removeprefix("module.")] for name in weights if name in seen}
    assert "head.weight" in found
    return found


def test_new_layers_learn_faster_by_their_factor(tmp_path):
    slow = changes_of(tmp_path / "1", new_layers_factor=1)
    fast = changes_of(tmp_path / "10", new_layers_factor=10)
    assert slow["head.weight"].abs().max() > 0
    for name, change in slow.items():
        factor = 1 if name.startswith("backbone.") else 10
        torch.testing.assert_close(fast[name], factor * change, rtol=1e-3, atol=1e-6)


def test_the_learning_rate_scales_the_step(tmp_path):
    slow, fast = changes_of(tmp_path / "1", learning_rate=0.01), changes_of(tmp_path / "3", learning_rate=0.03)
    torch.testing.assert_close(fast["head.weight"], 3 * slow["head.weight"], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_optimizers(tmp_path, name, kind):
    network = Classifier.build(settings.FEATURES, classes=3)
    optimizer = loop.optimizer_of(network, replace(settings.SGD, optimizer=name, momentum=0.7))
    assert type(optimizer) is kind
    group = optimizer.param_groups[0]
    assert (group["betas"] if name == "adamw" else group["momentum"]) == ((0.7, 0.999) if name == "adamw" else 0.7)
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0, 0.01}


@pytest.mark.parametrize(("name", "rate"), [("sgd", 0.05), ("adamw", 0.005)])
def test_it_learns(tmp_path, name, rate):
    _, curve = train(tmp_path, optimizer=name, learning_rate=rate, length=4, batch_size=4, epochs=25)
    losses = [row["loss"] for row in rows(curve)]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])


def test_mixed_precision(tmp_path, undisturbed):
    weights, curve = train(tmp_path, precision="bf16-mixed")
    assert weights["head.weight"].dtype == torch.float32
    exact = [row["loss"] for row in rows(undisturbed[1])]
    found = [row["loss"] for row in rows(curve)]
    assert found != exact
    np.testing.assert_allclose(found, exact, rtol=0.1)


LOWER_IT = r"classifier: the loss is (nan|inf) at step 0: lower the learning rate \(the images of this step: "


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number(tmp_path, value):
    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float = 0) -> torch.Tensor:
        return tag_loss(model, batch, done) * value

    with pytest.raises(WsssError, match=LOWER_IT) as error:
        train(tmp_path, loss=loss, batch_size=3)
    named = {part.strip(") ") for part in str(error.value).partition("of this step: ")[2].split(",")}
    assert len(named) == 3 and named <= {f"image {position}" for position in range(LENGTH)}
    assert not list(tmp_path.rglob("*.*"))


def test_a_batch_of_one_photograph_of_one_cell(tmp_path):
    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float = 0) -> torch.Tensor:
        return torch.nn.BatchNorm2d(3)(batch[0][:, :, :1, :1]).sum()

    with pytest.raises(WsssError, match="a batch has one photograph, of one cell: raise batch_size"):
        train(tmp_path, loss=loss, batch_size=1)


def test_a_batch_larger_than_the_data_set(tmp_path):
    sizes = []

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float = 0) -> torch.Tensor:
        sizes.append(len(batch[0]))
        return tag_loss(model, batch, done)

    _, curve = train(tmp_path, loss=loss, length=4, batch_size=100)
    assert sizes == [4, 4, 4]
    assert len(rows(curve)) == 3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_run_goes_on_on_a_gpu(tmp_path, log, optimizer):
    options = dict(optimizer=optimizer, learning_rate=0.01)
    expected = train(tmp_path / "a", **options)
    cut_off_at(tmp_path / "b", 5, **options)
    found = train(tmp_path / "b", **options)
    assert "resumes at step 4" in log.text
    for name, value in expected[0].items():
        torch.testing.assert_close(found[0][name], value, rtol=1e-2, atol=1e-3)


def no_loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float = 0) -> torch.Tensor:
    raise AssertionError("a step was taken")


def test_a_run_that_is_done_takes_no_step_when_it_is_asked_for_again(tmp_path, undisturbed, log):
    assert_equal(train(tmp_path), undisturbed)
    kept = []
    assert_equal(train(tmp_path, loss=no_loss, keep=kept.append), undisturbed)
    assert all(torch.equal(kept[0].state_dict()[name], value) for name, value in undisturbed[0].items())
    assert_equal(train(tmp_path, loss=no_loss), undisturbed)
    assert log.text.count("already trained with these options, inputs and code") == 2


def test_a_run_that_is_done_writes_its_curve_again(tmp_path, undisturbed):
    train(tmp_path)
    (tmp_path / "curves/curve.csv").unlink()
    assert_equal(train(tmp_path, loss=no_loss), undisturbed)


def test_a_run_that_is_done_is_nothing_to_another(tmp_path, undisturbed, log):
    train(tmp_path, digest="of other options", learning_rate=0.5)
    assert_equal(train(tmp_path), undisturbed)
    assert "checkpoint.pt is of a run with other options, inputs or code: training restarts from scratch" in log.text


def test_a_network_that_could_not_be_kept_is_not_trained_again(tmp_path):
    def cannot_be_kept(network: Network) -> None:
        assert not network.training
        raise CutOff

    with pytest.raises(CutOff):
        train(tmp_path, keep=cannot_be_kept)
    assert steps_of(tmp_path / "run/checkpoint.pt") == STEPS
    kept = []
    weights, _ = train(tmp_path, loss=no_loss, keep=kept.append)
    undisturbed, _ = train(tmp_path / "other")
    assert all(torch.equal(kept[0].state_dict()[name], undisturbed[name]) for name in weights)


def steep(model: torch.nn.Module, batch: list[torch.Tensor], done: float = 0) -> torch.Tensor:
    return 1e6 * tag_loss(model, batch, done)


def test_a_last_step_that_leaves_no_numbers_is_told(tmp_path):
    """Its loss is finite; the weights that it leaves are not."""
    kept = []
    with pytest.raises(
        WsssError, match="tensors of the trained network.* are NaN or infinite: lower the learning rate"
    ):
        train(tmp_path, loss=steep, epochs=1 / 3, learning_rate=1e38, keep=kept.append)
    assert kept == []


@pytest.mark.parametrize(
    "forged",
    [{"network": {}}, {"network": 3}, {"step": "three"}, {"optimizer": {"state": {}, "param_groups": []}}],
    ids=["no weights", "a number for weights", "a text for the step", "no parameters"],
)
def test_a_forged_checkpoint_is_told_and_training_restarts(tmp_path, undisturbed, log, forged):
    path = cut_off_at(tmp_path, 6)
    content, _ = sealed.load(path)
    sealed.save(path, content | forged)
    assert_equal(train(tmp_path), undisturbed)
    assert "checkpoint.pt is no checkpoint of this network" in log.text
    assert "training restarts from scratch" in log.text


def test_a_run_that_was_killed_after_its_last_step_leaves_the_same_checkpoint(tmp_path, undisturbed):
    def killed(_: Network) -> None:
        raise CutOff

    with pytest.raises(CutOff):
        train(tmp_path / "a", keep=killed)
    assert_equal(train(tmp_path / "a"), undisturbed)
    train(tmp_path / "b")
    assert (tmp_path / "a/run/checkpoint.pt").read_bytes() == (tmp_path / "b/run/checkpoint.pt").read_bytes()


def test_a_training_of_few_steps_is_warned_of(tmp_path, log):
    train(tmp_path)
    assert f"classifier trains for {STEPS} steps only" in log.text and "raise epochs" in log.text


def test_a_training_of_many_steps_is_not(tmp_path, log):
    train(tmp_path, length=50, batch_size=1, epochs=1)
    assert "steps only" not in log.text
