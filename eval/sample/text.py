"""Text for training the sample dictionary: the sample corpus, and an excerpt of the English Wikipedia."""

from __future__ import annotations

import bz2
import html
import random
import re
from collections.abc import Iterator
from xml.etree import ElementTree

from labeler.errors import MissingExtraError
from labeler.evidence.corpora.registry import Passage, sample_corpus
from labeler.models.names import wheel_folder

_EXCERPT = "test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"


def training_corpus() -> Iterator[Passage]:
    """Four passages of the sample corpus, then one of Wikipedia (CC BY-SA, out of the ``gensim`` wheel), and so on."""
    articles = list(wikipedia())
    random.Random(0).shuffle(articles)
    for number, passage in enumerate(sample_corpus(), 1):
        yield passage
        if number % 4 == 0 and articles:
            yield articles.pop()


def wikipedia() -> Iterator[Passage]:
    """Paragraphs of the excerpt's articles without their markup, in pieces of about 1,600 characters."""
    folder = wheel_folder("gensim")
    if folder is None:
        raise MissingExtraError("training the sample dictionary", "train")
    with bz2.open(folder / _EXCERPT, "rb") as file:
        title = ""
        try:
            for _, element in ElementTree.iterparse(file):
                tag = element.tag.rsplit("}", 1)[-1]
                if tag == "title":
                    title = element.text or ""
                elif tag == "text" and element.text and not element.text.startswith("#REDIRECT"):
                    yield from _pieces(f"wikipedia/{title}", plain(element.text))
        except ElementTree.ParseError:  # the excerpt ends in the middle of a page
            return


def plain(markup: str) -> str:
    """Wiki markup to plain paragraphs: templates, tables, references, links and headings undone."""
    text = re.sub(r"<!--.*?-->|<ref[^>/]*/>|<ref.*?</ref>|<math.*?</math>", "", markup, flags=re.DOTALL)
    for _ in range(4):  # templates and tables nest
        text = re.sub(r"\{\{[^{}]*\}\}|\{\|[^{}]*\|\}", "", text)
    text = re.sub(r"\[\[(?:File|Image|Category)[^\[\]]*(?:\[\[[^\]]*\]\][^\[\]]*)*\]\]", "", text)
    text = re.sub(r"\[\[(?:[^|\]]*\|)?([^\]]*)\]\]", r"\1", text)
    text = re.sub(r"\[https?:\S+\s*([^\]]*)\]", r"\1", text)
    text = html.unescape(re.sub(r"<[^>]+>|'{2,}|^=+.*?=+\s*$|^[*#:;|!].*$", "", text, flags=re.MULTILINE))
    return "\n".join(line for line in text.splitlines() if len(line) > 80)


def _pieces(document: str, text: str) -> Iterator[Passage]:
    piece = ""
    for line in text.splitlines(keepends=True):
        if piece and len(piece) + len(line) > 1_600:
            yield Passage(document, piece)
            piece = ""
        piece += line
    if len(piece) > 200:
        yield Passage(document, piece)
