"""What a process needs to run well: errors, files, the machine, progress, digests. Nothing here changes a number."""
