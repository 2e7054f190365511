"""Networks as torch modules, each in a file of its own, and the format in which they are saved."""
