"""A model bundle opened for answering."""

import json

from fishid import _native
from fishid._photo import photo_bytes, pixel_array


class Bundle:
    """A model that answers in f32, on one thread for each photograph; any number of threads may share it.

    `threads` photographs are answered at the same time. `classes` are slugs in the order of the
    probabilities; `width` and `height` are the model's pixels; `manifest` is the bundle's `fishid.json`.
    `model_digest` is the SHA-256 of what answers.
    """

    def __init__(self, folder, *, threads=None):
        self._native = _native.Bundle(str(folder), threads)
        self.manifest = json.loads(self._native.manifest())
        self.model_digest = self._native.model_digest()
        self.classes = [known["slug"] for known in self.manifest["classes"]]
        self.width, self.height = self._native.size()

    def predict(self, photo, lang="ru"):
        """The reply of `fishid predict --json` to a path or the bytes of a photograph.

        `lang` is en, ru or la.
        """
        return json.loads(self._native.predict(photo_bytes(photo), lang))

    def probabilities(self, photo):
        """float32 [n_classes]: calibrated probabilities of a path or bytes, in the order of `classes`."""
        import numpy as np

        return np.array(self._native.probabilities(photo_bytes(photo)), dtype=np.float32)

    def probabilities_of_pixels(self, pixels):
        """The same for pixels of `load_pixels`, uint8 [height, width, 3]."""
        import numpy as np

        content = np.ascontiguousarray(pixels, dtype=np.uint8).tobytes()
        return np.array(self._native.probabilities_of_pixels(content), dtype=np.float32)

    def load_pixels(self, photo):
        """uint8 [height, width, 3], RGB: what the model is shown of a path or bytes."""
        return pixel_array(self._native.load_pixels(photo_bytes(photo)), self.width, self.height)


def load_bundle(folder, *, threads=None):
    """Opens a bundle folder and proves its model on its golden photographs."""
    return Bundle(folder, threads=threads)
