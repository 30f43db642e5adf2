"""The arithmetic of the bench: what rounds become in a table or in JSON."""

import statistics


def parse_line(line):
    """'p50_ns=600 case=full' -> {'p50_ns': 600, 'case': 'full'}."""
    result = {}
    for word in line.split():
        key, separator, value = word.partition("=")
        if separator:
            result[key] = int(value) if value.lstrip("-").isdigit() else value
    return result


def ratio(rounds, other):
    """The per-round ratios of two contenders: (median, least, greatest).

    Both lists hold one figure a round, in the same order: figures that were
    taken side by side are divided, so that a slow minute of the machine hits
    both sides of a ratio.
    """
    if len(rounds) != len(other):
        raise ValueError("contenders have different numbers of rounds")
    ratios = [a / b for a, b in zip(rounds, other)]
    return statistics.median(ratios), min(ratios), max(ratios)


def median(rounds):
    return statistics.median(rounds)
