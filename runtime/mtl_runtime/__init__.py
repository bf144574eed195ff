"""Torch-free runtime of mtl-export: ``load`` a bundle, call it with texts, get predictions for every task."""

from mtl_runtime.classifier import Classifier
from mtl_runtime.decode import Answer, MultiLabelAnswer, Prediction, RegressionAnswer, SingleLabelAnswer
from mtl_runtime.errors import MtlError
from mtl_runtime.explain import Explanation, TokenImportance
from mtl_runtime.loading import load
from mtl_runtime.opening import Info

__all__ = [
    "Answer",
    "Classifier",
    "Explanation",
    "Info",
    "MtlError",
    "MultiLabelAnswer",
    "Prediction",
    "RegressionAnswer",
    "SingleLabelAnswer",
    "TokenImportance",
    "load",
]
