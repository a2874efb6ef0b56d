"""Which words a model has met: the words of its training captions, kept in the metadata of its weights."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

WORD = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*|\d+")
CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
MINIMUM = 5  # captions in which a word must have occurred to count as met


def words_of(text: str) -> list[str]:
    """Words in lower case, in order; every Chinese character is one."""
    spaced = CJK.sub(lambda match: f" {match[0]} ", text.lower())
    return WORD.findall(spaced)


# words without content of their own, which are never reported
FUNCTION_WORDS = frozenset(
    words_of("a an the and or of to in on at by with from while as is are was be being it its this that there then some one very 的了着在和与里上中下一个只地是有")
)


def vocabulary_of(captions: Iterable[str]) -> list[str]:
    """The words that occur in at least MINIMUM captions, sorted."""
    counts = Counter(word for caption in captions for word in set(words_of(caption)))
    return sorted(word for word, count in counts.items() if count >= MINIMUM)


def unknown_words(prompt: str, vocabulary: Sequence[str]) -> list[str]:
    """The words of `prompt` outside the vocabulary, each once, without function words. A hyphenated word counts as met if its parts are."""
    known = {*vocabulary, *FUNCTION_WORDS}
    words = dict.fromkeys(words_of(prompt))
    return [w for w in words if w not in known and not all(part in known for part in re.split("[-']", w))]
