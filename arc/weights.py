"""The names of :mod:`arc.network.weights` where users import them from: ``arc.weights.load``."""

from arc.network.keras import import_keras as import_keras
from arc.network.weights import PRETRAINED as PRETRAINED
from arc.network.weights import WeightsError as WeightsError
from arc.network.weights import load as load
from arc.network.weights import load_arrays as load_arrays
from arc.network.weights import save as save
