"""HDF5 stores, and readers and writers of cues in the formats of other programs."""
