import pytest


@pytest.fixture(scope="module")
def vgg16():
    from small_backbones import build

    return build("vgg16").eval()
