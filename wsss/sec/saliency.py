"""SEC's background cue: how much the logits of a classifier depend on each place of an image."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def saliency(
    network: nn.Module, images: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, "batch one=1 rows columns"]:
    """How much the class scores change with each cell of an intermediate feature map.

    Simonyan et al. 2014 (arXiv:1312.6034) as SEC uses it (Kolesnikov & Lampert 2016, arXiv:1603.06098): with S_c the
    scores of all classes, whatever the tags, summed over the cells, and f_ku channel k of the feature map at cell u,

        s_u = max_k | d (sum_c S_c) / d f_ku |

    SEC's code takes conv4_1 of VGG-16 before its ReLU; here it is the first tap of any backbone, conv4_3 of VGG-16.

    Args:
        network: a classifier, evaluating, with the parts `backbone` and `head`.
        images: RGB in [0, 1], whose sides are whole multiples of the backbone's stride.
    """
    with torch.enable_grad():
        taps = network.backbone(images)
        # the sum over the cells, not their mean: so its gradient does not depend on the size of the image
        (gradient,) = torch.autograd.grad(network.head(taps[-1]).sum(), taps[0])
    return gradient.abs().amax(dim=1, keepdim=True)
