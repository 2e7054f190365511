"""What several papers share, as functions of tensors and arrays.

Grids, activation maps, label maps, pooling, class frequencies, scores.
"""
