"""lines of stdin -> a table of answers on stdout, one row per line.

python script.py BUNDLE < texts.txt > answers.tsv
"""

import sys

from mtl_runtime import MtlError, load


def main(bundle: str) -> None:
    """Classify a stream of lines; a file of any length needs the memory of a few batches."""
    classifier = load(bundle)
    print(f"{classifier.info.variant}, {classifier.info.reason}", file=sys.stderr)
    print(*classifier.tasks, sep="\t")
    texts = (line.rstrip("\n") for line in sys.stdin)
    for prediction in classifier.stream(texts):
        print(*(prediction[task].value for task in prediction), sep="\t")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except MtlError as error:
        sys.exit(f"error: {error}")
