"""Photographs and models."""

import json

from fishid import _native
from fishid._photo import photo_bytes, pixel_array


def load_pixels(photo, *, width, height, fit="center_crop", filter="bilinear"):  # noqa: A002
    """uint8 [height, width, 3], RGB, of a path or the bytes of a JPEG, PNG or WebP, upright and resized.

    The one preprocessing of training, scoring and serving. `fit` is stretch, pad or center_crop; `filter`
    is bilinear, catmull_rom or lanczos3. Raises `InputError` for what is no photograph.
    """
    content = _native.load_pixels(photo_bytes(photo), width, height, fit, filter)
    return pixel_array(content, width, height)


def check_dataset(data, *, group_column="group"):
    """What is wrong with a data set, as `fishid data check` finds it.

    A dict: `is_acceptable`, `n_photographs`, `classes`, `n_errors` and `problems`, each with `path`,
    `kind`, `detail`, `severity` and the `other` of a pair.
    """
    return json.loads(_native.check_dataset(str(data), group_column))


def fetch_bundle(registry=None, model=None, version="production"):
    """`version` and `bundle`: number and folder on this machine of a version or alias of a registry.

    The digest of the bundle is checked.
    """
    number, folder = _native.fetch_bundle(registry, model, str(version))
    return {"version": number, "bundle": folder}
