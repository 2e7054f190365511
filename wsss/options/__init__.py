"""Settings as plain dataclasses, from which the command line is built: nothing here imports anything heavy."""
