"""Weakly supervised semantic segmentation: from photographs and their tags to a label for every pixel."""
