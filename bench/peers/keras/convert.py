"""Builds Keras's EfficientNetB4 with the weights of a bundle and saves it.

`python convert.py WEIGHTS.npz SIDE OUT.keras`, WEIGHTS.npz as `bench/graph_weights.py` writes it. Layers
are filled one by one in the order of the network. The arrays have the normalisation folded in, so every
BatchNormalization gets the scale that makes it add the bias and nothing else: sqrt(1 + epsilon), mean 0,
variance 1. It is still computed, as always.
"""

import sys
from pathlib import Path

import keras
import numpy as np


def build(weights, side: int) -> keras.Model:
    network = keras.applications.EfficientNetB4(
        include_top=False, weights=None, input_shape=(side, side, 3), pooling="avg"
    )
    fill(network, weights)
    # The application's own Rescaling and Normalization are for ImageNet; here the bundle's
    # come before them.
    pixels = keras.Input((side, side, 3), dtype="uint8")
    values = keras.ops.cast(pixels, "float32")
    values = undo(network)(keras.layers.Rescaling(weights["pixel_scale"], weights["pixel_shift"])(values))
    logits = keras.layers.Dense(len(weights["head_bias"]), name="logits")
    probabilities = keras.layers.Softmax()(
        keras.layers.Rescaling(float(weights["inverse_temperature"][0]))(logits(network(values)))
    )
    model = keras.Model(pixels, probabilities)
    logits.set_weights([weights["head_kernel"], weights["head_bias"]])
    return model


def undo(network):
    """Cancels the layers in front of the stem, which divide by 255 and do nothing else."""
    before = [
        layer
        for layer in network.layers
        if isinstance(layer, (keras.layers.Rescaling, keras.layers.Normalization))
    ]
    rescaling = [layer for layer in before if isinstance(layer, keras.layers.Rescaling)]
    assert len(rescaling) == 1, [layer.name for layer in before]
    return keras.layers.Rescaling(1.0 / rescaling[0].scale)


def fill(network, weights):
    n = sum(name.startswith("kernel_") for name in weights.files)
    numbers = iter(range(n))
    convolution = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    bias = None
    for layer in network.layers:
        if isinstance(layer, convolution):
            number = next(numbers)
            kernel, bias = weights[f"kernel_{number:03}"], weights[f"bias_{number:03}"]
            # ONNX: [filters, channels, rows, columns].
            is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            kernel = kernel.transpose((2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0))
            layer.set_weights([kernel, bias] if layer.use_bias else [kernel])
        elif isinstance(layer, keras.layers.BatchNormalization):
            ones = np.ones_like(bias)
            layer.set_weights([ones * np.sqrt(1 + layer.epsilon), bias, 0 * ones, ones])
        elif isinstance(layer, keras.layers.Normalization):
            layer.set_weights([np.zeros(3), np.ones(3), np.zeros((), "int64")][: len(layer.get_weights())])
    assert next(numbers, None) is None, "the graph has convolutions that the Keras network lacks"


if __name__ == "__main__":
    model = build(np.load(sys.argv[1]), int(sys.argv[2]))
    model.save(Path(sys.argv[3]))
