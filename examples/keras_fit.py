"""Keras 3: python examples/keras_fit.py [EPOCHS]"""

import os
import sys

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from sklearn.datasets import load_digits

from arc.integrations.keras import ARCCallback

keras.utils.set_random_seed(0)
images, labels = load_digits(return_X_y=True)
images = (images / 16).astype("float32")
model = keras.Sequential([keras.layers.Dense(64, "relu"), keras.layers.Dense(10)])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(1e-4), loss)  # a number: the callback refuses a LearningRateSchedule
model.fit(
    images[:1400],
    labels[:1400],
    batch_size=64,
    validation_data=(images[1400:], labels[1400:]),
    epochs=int(sys.argv[1]) if len(sys.argv) > 1 else 30,
    callbacks=[ARCCallback()],
    verbose=0,
)
