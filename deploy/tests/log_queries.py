"""What CloudWatch makes of log lines: filter patterns for JSON, and as much of Logs Insights' language as the guides use.
What is not understood here is refused, so that nothing passes unread."""

import json
import re

TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\$\.\w+|[@\w.]+|&&|\|\||[!<>]=|[=<>(){}\[\],*])')
COMPARE = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


class Tokens:
    def __init__(self, text):
        self.text, self.all, at = text, [], 0
        text = text.rstrip()
        while at < len(text):
            match = TOKEN.match(text, at)
            if not match:
                raise ValueError(f"not understood: {text[at:]!r}")
            self.all.append(match[1])
            at = match.end()

    def next(self):
        if not self.all:
            raise ValueError(f"{self.text!r} ends too soon")
        return self.all.pop(0)

    def take(self, *expected):
        """The next token, if it is one of these."""
        return self.all.pop(0) if self.all and self.all[0] in expected else None

    def expect(self, token):
        if self.take(token) is None:
            raise ValueError(f"{token!r} is missing in {self.text!r} before {self.all[:1]}")

    def end(self):
        if self.all:
            raise ValueError(f"not understood in {self.text!r}: {self.all}")


class Condition:
    """A condition over a line; `keywords` are those for and, or, not."""

    def __init__(self, tokens, keywords, field):
        self.tokens, self.field, self.fields = tokens, field, []
        # What it compares each field with.
        self.values = []
        self.either, self.both, self.negation = keywords
        self.holds = self.alternatives()

    def alternatives(self):
        parts = [self.conjunction()]
        while self.tokens.take(self.either):
            parts.append(self.conjunction())
        return lambda line: any(part(line) for part in parts)

    def conjunction(self):
        parts = [self.term()]
        while self.tokens.take(self.both):
            parts.append(self.term())
        return lambda line: all(part(line) for part in parts)

    def term(self):
        if self.negation and self.tokens.take(self.negation):
            inner = self.term()
            return lambda line: not inner(line)
        if self.tokens.take("("):
            inner = self.alternatives()
            self.tokens.expect(")")
            return inner
        if self.tokens.take("ispresent"):
            self.tokens.expect("(")
            name = self.name()
            self.tokens.expect(")")
            return lambda line: name in line
        return self.comparison(self.name())

    def name(self):
        name = self.field(self.tokens.next())
        self.fields.append(name)
        return name

    def comparison(self, name):
        if self.tokens.take("in"):
            self.tokens.expect("[")
            values = [literal(self.tokens)]
            while self.tokens.take(","):
                values.append(literal(self.tokens))
            self.tokens.expect("]")
            self.values += [(name, value) for value in values]
            return lambda line: line.get(name) in values
        compare = COMPARE.get(operator := self.tokens.next())
        if compare is None:
            raise ValueError(f"no comparison: {operator!r} in {self.tokens.text!r}")
        value = literal(self.tokens)
        self.values.append((name, value))
        # A field that is not there, or of another type, fits nothing.
        return lambda line: type_of(line.get(name)) == type_of(value) and compare(line[name], value)


def literal(tokens):
    token = tokens.next()
    if not re.fullmatch(r'".*"|\d+(\.\d+)?', token):
        raise ValueError(f"no value: {token!r} in {tokens.text!r}")
    return json.loads(token)


def type_of(value):
    return {str: "text", int: "number", float: "number"}.get(type(value))


def filter_pattern(text):
    """What a metric filter's pattern for JSON selects: a function of a line."""

    def field(token):
        if not token.startswith("$."):
            raise ValueError(f"no field: {token!r} in {text!r}")
        return token.removeprefix("$.")

    tokens = Tokens(text)
    tokens.expect("{")
    condition = Condition(tokens, ("||", "&&", None), field)
    tokens.expect("}")
    tokens.end()
    return condition.holds


class InsightsQuery:
    """A query of Logs Insights: which lines it selects, and which fields it reads of them."""

    OWN = {"@timestamp", "@message", "@logStream"}
    AGGREGATES = {"count": 1, "sum": 1, "avg": 1, "min": 1, "max": 1, "latest": 1, "pct": 2}
    COMMANDS = ("fields", "filter", "stats", "sort", "limit")

    def __init__(self, text):
        self.filters, self.fields, self.values, self.made = [], [], [], set()
        for part in text.split("|"):
            tokens = Tokens(part)
            command = tokens.next()
            if command not in self.COMMANDS:
                raise ValueError(f"no command: {command!r}")
            getattr(self, f"read_{command}")(tokens)
            tokens.end()
        self.fields = set(self.fields) - self.OWN - self.made

    def selects(self, line):
        return all(holds(line) for holds in self.filters)

    def field(self, token):
        if not re.fullmatch(r"@?[A-Za-z_]\w*", token):
            raise ValueError(f"no field: {token!r}")
        return token

    def list(self, tokens, read):
        read(tokens)
        while tokens.take(","):
            read(tokens)

    def read_fields(self, tokens):
        self.list(tokens, lambda tokens: self.fields.append(self.field(tokens.next())))

    def read_filter(self, tokens):
        condition = Condition(tokens, ("or", "and", "not"), self.field)
        self.filters.append(condition.holds)
        self.fields += condition.fields
        self.values += condition.values

    def read_stats(self, tokens):
        self.list(tokens, self.aggregate)
        if tokens.take("by"):
            self.list(tokens, self.group)

    def aggregate(self, tokens):
        function = tokens.next()
        if function not in self.AGGREGATES:
            raise ValueError(f"no function: {function!r}")
        tokens.expect("(")
        if function == "count":
            tokens.expect("*")
        else:
            self.fields.append(self.field(tokens.next()))
        for _ in range(self.AGGREGATES[function] - 1):
            tokens.expect(",")
            literal(tokens)
        tokens.expect(")")
        if tokens.take("as"):
            self.made.add(self.field(tokens.next()))

    def group(self, tokens):
        if tokens.take("bin"):
            tokens.expect("(")
            if not re.fullmatch(r"\d+[smhd]", tokens.next()):
                raise ValueError(f"no period in {tokens.text!r}")
            tokens.expect(")")
        else:
            self.fields.append(self.field(tokens.next()))

    def read_sort(self, tokens):
        self.fields.append(self.field(tokens.next()))
        if not tokens.take("asc", "desc"):
            raise ValueError(f"no order in {tokens.text!r}")

    def read_limit(self, tokens):
        literal(tokens)
