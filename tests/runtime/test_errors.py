"""Errors of the machine that are taken for no damage."""

import errno
import os
import resource
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image
from settings import CLASSES

from wsss.datasets import pictures
from wsss.exchange import cams
from wsss.options import strict_yaml
from wsss.report import facts
from wsss.runtime import files, sealed, tensors
from wsss.stores import store


def store_of_masks(path):
    with store.create(path, "masks", classes=CLASSES, settings={}, inputs={}) as target:
        target.add("a", (4, 5), plain=np.zeros((4, 5), np.uint8))


def read_store(path):
    with store.read(path, "masks") as source:
        return source["a"]


def curve(path):
    path.parent.mkdir()
    path.write_text("step,loss\n0,1\n1,0.5\n")


READERS = {
    "a.ckpt": (lambda path: sealed.save(path, {"step": 1}), sealed.load),
    "a.safetensors": (lambda path: tensors.save(path, {"a": torch.zeros(2)}, {}), tensors.load),
    "a.json": (lambda path: files.write_json(path, {"miou": 0.5}), files.read_json),
    "a.h5": (store_of_masks, read_store),
    "a.npy": (lambda path: np.save(path, {1: np.ones((2, 2))}), lambda path: cams.read(path, (2, 2))),
    "a.npz": (lambda path: np.savez(path, **{"1": np.ones((2, 2))}), lambda path: cams.read(path, (2, 2))),
    "a.yaml": (lambda path: path.write_text("a: 1"), strict_yaml.read),
    "a.png": (lambda path: Image.new("L", (4, 3)).save(path), pictures.read_photograph),
    "a.bmp": (lambda path: Image.new("L", (4, 3)).save(path), pictures.photograph_size),
    "curves/a.csv": (curve, lambda path: facts.curves(path.parent.parent)),
}
"""For each file, what writes it and what reads it."""


@contextmanager
def no_more_files():
    """As long as this lasts, no file can be opened."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_one = os.open(os.devnull, os.O_RDONLY)
    os.close(next_one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("name", READERS)
def test_too_many_open_files_are_no_damage(tmp_path, name):
    write, read = READERS[name]
    write(tmp_path / name)
    content = read(tmp_path / name)
    with pytest.raises(OSError, match="Too many open files") as caught, no_more_files():
        read(tmp_path / name)
    assert caught.value.errno == errno.EMFILE
    assert str(read(tmp_path / name)) == str(content)
