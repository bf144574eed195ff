"""checkpoint record -> one HTML page about its training."""

from mtl_export.training_page.document import training_page

__all__ = ["training_page"]
