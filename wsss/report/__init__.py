"""One page that shows a run: scores, confusions, curves, pictures, times and settings."""
