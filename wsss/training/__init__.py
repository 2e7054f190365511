"""Whatever updates weights: the loop, augmentation, distributed training."""
