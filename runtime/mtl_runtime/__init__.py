"""Torch-free runtime of mtl-export: ``load`` a bundle, call it with texts, get predictions for every task."""

TYPE_CHECKING = False
if TYPE_CHECKING:  # a type checker takes it for typing's, whose import alone takes as long as all else here
    from mtl_runtime.errors import MtlError
    from mtl_runtime.inference.classifier import Classifier
    from mtl_runtime.inference.decode import Answer, MultiLabelAnswer, Prediction, RegressionAnswer, SingleLabelAnswer
    from mtl_runtime.inference.explain import Explanation, TokenImportance
    from mtl_runtime.inference.settings import Info
    from mtl_runtime.loading.load import load

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

# Imported when asked for (PEP 562): `load` then reads and hashes files while numpy, tokenizers and onnxruntime are
# still being imported.
_MODULES = {
    "Answer": "inference.decode",
    "Classifier": "inference.classifier",
    "Explanation": "inference.explain",
    "Info": "inference.settings",
    "MtlError": "errors",
    "MultiLabelAnswer": "inference.decode",
    "Prediction": "inference.decode",
    "RegressionAnswer": "inference.decode",
    "SingleLabelAnswer": "inference.decode",
    "TokenImportance": "inference.explain",
    "load": "loading.load",
}


if not TYPE_CHECKING:  # a type checker would take any name for granted

    def __getattr__(name: str) -> object:
        if name == "errors":
            import mtl_runtime.errors

            return mtl_runtime.errors
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
