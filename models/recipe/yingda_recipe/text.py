"""From raw text to units: the one reading of text for training, evaluation and the Rust engine.

A unit is a CJK character, a maximal run of other letters, or a maximal run of digits. Two units are adjacent when
nothing stands between them in the normalised text.
"""

import re
import unicodedata
from pathlib import Path

import opencc

MAX_UNITS = 512

_CJK = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_LETTER = rf"(?:(?![{_CJK}])[^\W\d_])"
TOKEN = re.compile(rf"[{_CJK}]|{_LETTER}+|\d+|[\W_]+")
UNIT_START = re.compile(r"[^\W_]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]")
_SYMBOLS = re.compile("[\u2600-\u27bf\u2b00-\u2bff\ue000-\uf8ff\U0001f000-\U0001faff\x00-\x1f\x7f-\x9f]")
_BLANKS = re.compile(r"\s+")
_RUN = re.compile(r"([^\W\d_])\1{2,}")
_PUNCTUATION_RUN = re.compile(r"([\W_])\1+")


def _dictionary(name):
    """One of OpenCC's own dictionary files: key → first value."""
    lines = (Path(opencc.__file__).parent / "dictionary" / name).read_text(encoding="utf-8").splitlines()
    return {key: values.split(" ")[0] for key, _, values in (line.partition("\t") for line in lines) if key}


_CHARACTERS = {k: v for k, v in _dictionary("TSCharacters.txt").items() if k != v}
_PHRASES = {k: v for k, v in _dictionary("TSPhrases.txt").items() if not _CHARACTERS.keys().isdisjoint(k)}
_PHRASE = re.compile("|".join(sorted(map(re.escape, _PHRASES), key=len, reverse=True)))
_TABLE = str.maketrans(_CHARACTERS)


def simplify(text):
    """Traditional to simplified as OpenCC's t2s does it: longest phrase first, single characters otherwise."""
    if _CHARACTERS.keys().isdisjoint(text):
        return text
    parts, end = [], 0
    for match in _PHRASE.finditer(text):
        parts += [text[end : match.start()].translate(_TABLE), _PHRASES[match.group()]]
        end = match.end()
    return "".join(parts) + text[end:].translate(_TABLE)


def normalise(text):
    """NFKC, lower case, symbols to blanks, simplified, repeats shortened, blanks joined."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    text = simplify(_SYMBOLS.sub(" ", text).lower())
    text = _RUN.sub(r"\1\1", text)
    text = _PUNCTUATION_RUN.sub(r"\1", text)
    return _BLANKS.sub(" ", text).strip()


def tokens(text):
    """Units and, between them where something else stands, one separator token (any other string)."""
    return TOKEN.findall(normalise(text))


def is_unit(token):
    return UNIT_START.match(token) is not None
