"""What is raised."""


class FishidError(Exception):
    """Something failed.

    An engine, a disk, a network, a registry. The text names the thing and the remedy.
    """


class InputError(FishidError, ValueError):
    """What was handed in is not acceptable: where the program would end with status 2."""
