"""training data + metrics + history -> findings: what is wrong, the most serious first."""

from mtl_export.training.findings.find_problems import find_data_problems, find_model_problems, most_serious_first

__all__ = ["find_data_problems", "find_model_problems", "most_serious_first"]
