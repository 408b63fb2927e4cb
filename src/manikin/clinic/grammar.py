"""The grammar of expressions: text becomes a tree, and every mistake knows how far into the text it stands.

Weakest first: ``implies``, ``or``, ``and``, ``not``, comparisons and ``in``, ``+ -``, ``* /``, ``^``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass


class ExpressionError(Exception):
    """A mistake in an expression, ``offset`` characters into it."""

    def __init__(self, offset: int, what: str, suggestion: str = "") -> None:
        """Say what is wrong and what would be right."""
        super().__init__(what)
        self.offset = offset
        self.what = what
        self.suggestion = suggestion


@dataclass(frozen=True)
class Token:
    """A word of an expression."""

    kind: str
    text: str
    offset: int


@dataclass(frozen=True)
class Tree:
    """A parsed expression: an operator or a call with its operands, or a leaf."""

    kind: str
    text: str
    offset: int
    children: tuple[Tree, ...] = ()
    names: tuple[str, ...] = ()


_TOKENS = re.compile(
    # A value of a category may begin with a digit, as Lung-RADS 4A does; a number with an exponent is no such value.
    r"(?P<space>\s+)|(?P<range>\.\.)|(?P<label>\d+[A-DF-Z]\w*)|(?P<number>(\d+(\.(?!\.)\d*)?|\.(?!\.)\d+)([eE][+-]?\d+)?%?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign><=|>=|==|!=|[-+*/^()\[\],=<>:])"
)
_BINDING = {
    "implies": 1,
    "or": 2,
    "and": 3,
    "in": 5,
    "==": 5,
    "!=": 5,
    "<": 5,
    "<=": 5,
    ">": 5,
    ">=": 5,
    "+": 6,
    "-": 6,
    "*": 7,
    "/": 7,
    "^": 9,
}
_NOT, _MINUS = 4, 8

# Units of time that may stand behind a number, in minutes. A year is the Julian one, as UCUM's "a".
DURATIONS = {
    "s": 1 / 60,
    "min": 1.0,
    "h": 60.0,
    "d": 1440.0,
    "wk": 10_080.0,
    "mo": 43_830.0,
    "a": 525_960.0,
}
_MAX_DEPTH, _MAX_TOKENS = 60, 300


def parse(text: str) -> Tree:
    """Return the tree of an expression.

    Raises:
        ExpressionError: The text is no expression.
    """
    tokens = list(itertools.islice(_tokens(text), _MAX_TOKENS + 1))
    if len(tokens) > _MAX_TOKENS:
        raise ExpressionError(
            tokens[-1].offset, f"The expression is longer than {_MAX_TOKENS} words.", "Name a part of it as a variable."
        )
    parser = _Parser(tokens, len(text))
    tree = parser.expression(0)
    parser.end()
    return tree


def _tokens(text: str) -> Iterator[Token]:
    offset = 0
    while offset < len(text):
        match = _TOKENS.match(text, offset)
        if match is None:
            raise ExpressionError(
                offset,
                f"'{text[offset]}' has no meaning in an expression.",
                "Signs: + - * / ^ ( ) [ ] , .. == != < <= > >=",
            )
        if match.lastgroup != "space":
            yield Token("name" if match.lastgroup == "label" else str(match.lastgroup), match.group(), offset)
        offset = match.end()


class _Parser:
    """Precedence climbing over tokens."""

    def __init__(self, tokens: list[Token], length: int) -> None:
        self.tokens = tokens
        self.length = length
        self.position = 0
        self.depth = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.position] if self.position < len(self.tokens) else Token("end", "the end", self.length)

    def take(self, text: str | None = None) -> Token:
        token = self.next
        if text is not None and token.text != text:
            raise ExpressionError(
                token.offset,
                f"Expected '{text}' before {self._named(token)}.",
                "Check the brackets. Inside { } or [ ], a text with a comma stands in quotes."
                if token.kind == "end"
                else "Check the brackets.",
            )
        self.position += 1
        return token

    def end(self) -> None:
        if self.next.kind != "end":
            raise ExpressionError(
                self.next.offset,
                f"Unexpected {self._named(self.next)}.",
                "An operator or a comma may be missing before it.",
            )

    def expression(self, weakest: int) -> Tree:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ExpressionError(
                self.next.offset,
                f"The expression nests deeper than {_MAX_DEPTH} levels.",
                "Name a part of it as a variable.",
            )
        left = self.operand()
        while (strength := _BINDING.get(self.next.text, 0)) > weakest:
            sign = self.take()
            right = self.members() if sign.text == "in" else self.expression(strength - (sign.text == "^"))
            if strength == _BINDING["in"] == _BINDING.get(self.next.text):
                raise ExpressionError(
                    self.next.offset, "Comparisons don't chain.", "Join two of them with 'and', or write: x in [18..39]"
                )
            left = Tree("operator", sign.text, sign.offset, (left, right))
        self.depth -= 1
        return left

    def operand(self) -> Tree:
        token = self.take()
        if token.kind == "number":
            if self.next.kind == "name" and self.next.text in DURATIONS:
                return Tree("duration", token.text, token.offset, names=(self.take().text,))
            return Tree("number", token.text, token.offset)
        if token.text in ("-", "not"):
            inner = self.expression(_MINUS if token.text == "-" else _NOT)
            return Tree("operator", token.text, token.offset, (inner,))
        if token.text == "(":
            inner = self.expression(0)
            self.take(")")
            return inner
        if token.kind == "name" and token.text not in _BINDING:
            return self.call(token) if self.next.text == "(" else Tree("name", token.text, token.offset)
        raise ExpressionError(
            token.offset, f"Expected a value before {self._named(token)}.", "Write a number, a name or a bracket."
        )

    def call(self, name: Token) -> Tree:
        self.take("(")
        arguments, names = [], []
        while self.next.text != ")":
            keyword = ""
            if self.next.kind == "name" and self._after_next() == "=":
                keyword = self.take().text
                self.take("=")
            names.append(keyword)
            arguments.append(self.expression(0))
            if self.next.text != ")":
                self.take(",")
        self.take(")")
        return Tree("call", name.text, name.offset, tuple(arguments), tuple(names))

    def members(self) -> Tree:
        if self.next.text != "[":
            return self.member()
        start = self.take("[")
        items = [self.member()]
        while self.next.text == ",":
            self.take(",")
            items.append(self.member())
        self.take("]")
        return Tree("list", "[", start.offset, tuple(items))

    def member(self) -> Tree:
        start = self.next
        if start.kind == "range":
            low: Tree | None = None
        else:
            low = self.expression(5)
            if self.next.kind != "range":
                return low
        self.take("..")
        high = self.expression(5) if self.next.kind == "number" or self.next.text == "-" else None
        open_end = Tree("number", "open", start.offset)
        return Tree("range", "..", start.offset, (low or open_end, high or open_end))

    def _after_next(self) -> str:
        return self.tokens[self.position + 1].text if self.position + 1 < len(self.tokens) else ""

    @staticmethod
    def _named(token: Token) -> str:
        return "the end" if token.kind == "end" else f"'{token.text}'"
