"""Runs of the tests' workflow on a cluster that is disturbed, and what they must have in common with a run at home."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import projects
import pytest
import torch

from wsss.networks import file
from wsss.stores import store

STEPS = "{classifier: {epochs: 60}, checkpoint_steps: 5}"  # 180 steps: long enough to be cut off
TARGET = "results/psa_val_miou.txt"
LIMIT = 1800  # seconds until a run is given up


@contextmanager
def started(script: Path, **variables: str) -> Iterator[None]:
    """A throw-away cluster, by its script and the script's variables.

    Where the machine does not allow one (no root, no daemons installed, no namespaces, devices or name of its own), its
    tests are skipped, with the script's word for what is missing. A cluster that fails to start fails them.
    """
    environment = {**os.environ, **variables}
    start = subprocess.run([script, "start"], env=environment, capture_output=True, text=True, timeout=60, check=False)
    if start.returncode == 3:
        pytest.skip(start.stderr)
    assert start.returncode == 0, start.stderr
    try:
        yield
    finally:
        subprocess.run([script, "stop"], env=environment, check=True, timeout=60)


def at_site(project: Path, profile: str, changes: dict[str, str]) -> None:
    """Change the lines of a profile that are a site's own, and give the classifier its steps."""
    (project / "overlay.yaml").write_text(STEPS)
    path = project / f"profiles/{profile}/profile.yaml"
    text = path.read_text()
    for ours, theirs in changes.items():
        assert text.count(ours) == 1
        text = text.replace(ours, theirs)
    path.write_text(text)


def words(folder: Path) -> list[object]:
    """What all runs are told. Threads are held to the same number: with another, sums are taken in another order."""
    return ["--max-threads", 2, "--directory", folder, "--configfile", "tiny.yaml", "overlay.yaml", "--", TARGET]


def at_home(project: Path) -> Path:
    """Results of a run on this machine."""
    run = projects.ended(*projects.command("--cores", 2, *words(project / "home")), folder=project)
    assert run.returncode == 0, run.stdout + run.stderr
    return project / "home/results"


@contextmanager
def running(project: Path, *options: object, **clients: str) -> Iterator[subprocess.Popen]:
    """A run on a cluster, in the folder `cluster`, for something that disturbs it; then it must come to a good end."""
    log = project / "cluster.log"
    environment = {**projects.environment(project), **clients}
    with log.open("w") as said:
        command = projects.command(*options, *words(project / "cluster"))
        run = subprocess.Popen(command, cwd=project, env=environment, stdout=said, stderr=subprocess.STDOUT)
    try:
        yield run
        assert run.wait(LIMIT) == 0
    except Exception as failure:
        failure.add_note(log.read_text())
        raise
    finally:
        end(run)


def until(found: Callable[[], Any], run: subprocess.Popen, what: str) -> Any:
    """The first thing that is found while the run lasts, or a failure that says what was waited for."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end and run.poll() is None:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def end(run: subprocess.Popen) -> None:
    """End a run that still lasts, and its jobs."""
    if run.poll() is None:
        run.send_signal(signal.SIGINT)
        try:
            run.wait(60)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()


def assert_same_stores(ours: Path, theirs: Path, shards: int) -> None:
    """The stores of a run on a cluster, made in so many shards, hold what those at home hold."""
    stores = sorted(path.name for path in ours.glob("*.h5"))
    assert len(stores) == 5
    for name in stores:
        with store.read(theirs / name, store.kind_of(ours / name)) as cut:
            assert cut.attributes["shards"] == shards
        assert store.digest(theirs / name) == store.digest(ours / name), name


def assert_same_weights(ours: Path, theirs: Path) -> None:
    """The networks of two runs are the same, bit by bit."""
    names = sorted(path.name for path in ours.glob("*.safetensors"))
    assert names == ["affinity_net.safetensors", "classifier.safetensors", "psa_segmenter.safetensors"]
    for name in names:
        (mine, expected), (other, found) = (file.read(folder / name) for folder in (ours, theirs))
        torch.testing.assert_close(other, mine, rtol=0, atol=0)
        assert found == expected  # classes, settings and the like
