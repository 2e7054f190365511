"""From stored maps to label maps, scores and pictures."""
