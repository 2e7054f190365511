"""What several papers share: grids, activation maps, label maps, pooling, scores. Functions of tensors and arrays."""
