"""TeacherComparison -> in words, whether the budget holds and how sure that is."""

from mtl_runtime.evidence.schema import BudgetOutcome, TeacherComparison
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Markup, tag

__all__ = ["OUTCOME_WORDS", "describe_outcome", "outcome_badge"]

OUTCOME_WORDS: dict[BudgetOutcome, str] = {"certain": "holds", "uncertain": "not certain", "exceeded": "exceeded"}
# Mark, and class of the badge.
_BADGES: dict[BudgetOutcome, tuple[str, str]] = {
    "certain": ("✓", "verified"),
    "uncertain": ("≈", "emulated"),
    "exceeded": ("✕", "failed"),
}


def describe_outcome(compared: TeacherComparison) -> str:
    """Such as ``not certain with 2,480 sentences, about 9,300 would be needed``."""
    sentences = compared.answers.labelled or compared.answers.sentences
    budget = f"{compared.budget:g} points"
    if compared.outcome == "certain":
        return f"holds {budget}"
    if compared.outcome == "exceeded":
        return f"exceeds {budget}"
    words = f"not certain to hold {budget} with {number_format.plural(sentences, 'sentence')}"
    if compared.sentences_needed is None:
        return words
    return f"{words}; about {number_format.count(compared.sentences_needed)} would be needed"


def outcome_badge(outcome: BudgetOutcome) -> Markup:
    """Show the outcome as a mark and a word."""
    mark, class_ = _BADGES[outcome]
    return tag("span", tag("span", mark, aria_hidden="true"), " ", OUTCOME_WORDS[outcome], class_=f"b {class_}")
