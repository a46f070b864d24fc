"""FastAPI + Keras EfficientNetB4 + Pillow: the architecture that fishid replaces."""

import os

import keras
import numpy as np
import tensorflow as tf
from photograph import SIDE, answer, pixels
from web import application

model = keras.saving.load_model(os.environ["KERAS_MODEL"], compile=False)


# Compiled once for one shape; `model.predict`, which most write, builds a data set for every call.
@tf.function(input_signature=[tf.TensorSpec((1, SIDE, SIDE, 3), tf.uint8)])
def compiled(image):
    return model(image, training=False)


def infer(image):
    if os.environ.get("KERAS_CALL") == "predict":
        return model.predict(image, verbose=0)[0]
    return compiled(image).numpy()[0]


infer(np.zeros((1, SIDE, SIDE, 3), np.uint8))


def predict(content: bytes) -> dict:
    return answer(infer(pixels(content)))


app = application(predict)
