"""training data + metrics + history -> findings: sentences about what is wrong, the most serious first."""

from mtl_export.training.findings.find_problems import find_problems

__all__ = ["find_problems"]
