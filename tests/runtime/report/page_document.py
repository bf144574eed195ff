"""an HTML page -> its elements, texts and assets, read strictly: a tag closes the last open one, or it is an error."""

import re
from html.parser import HTMLParser

VOID = ("meta", "br")
ASSETS = ("style", "script")


class Document(HTMLParser):
    """Elements with their attributes, and the texts between them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.assets: dict[str, str] = {}
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ASSETS:
            self.assets[self.open[-1]] = data
        else:
            self.texts.append(data)

    def named(self, name):
        """Attributes of every element of that name."""
        return [attributes for tag, attributes in self.elements if tag == name]

    @property
    def text(self):
        """All words, without the spaces that elements leave before punctuation."""
        return re.sub(r" (?=[;,.:)])", "", " ".join(" ".join(self.texts).split()))
