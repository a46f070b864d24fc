"""A photograph as whoever calls has it: a path, or its bytes."""

import os

from fishid._errors import InputError


def photo_bytes(photo):
    if isinstance(photo, (bytes, bytearray, memoryview)):
        return bytes(photo)
    try:
        with open(os.fspath(photo), "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError as error:
        raise InputError(f"{photo}: {error.strerror or error}") from error


def pixel_array(content, width, height):
    import numpy as np

    return np.frombuffer(content, dtype=np.uint8).reshape(height, width, 3)
