"""One module a stage: read stores, call the maths, write a store."""
