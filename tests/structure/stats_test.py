"""The arithmetic of the bench's tables."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import stats  # noqa: E402


class StatsTest(unittest.TestCase):

    def test_line(self):
        self.assertEqual(stats.parse_line("contender=grpc p50_ns=75000 junk\n"),
                         {"contender": "grpc", "p50_ns": 75000})

    def test_ratio_is_the_median_of_the_rounds_not_of_the_medians(self):
        # A machine that runs at half speed in the second round changes no ratio.
        self.assertEqual(stats.ratio([2, 4, 2], [1, 2, 1]), (2, 2, 2))
        self.assertEqual(stats.ratio([1, 10, 3], [1, 2, 1]), (3, 1, 5))

    def test_rounds_that_do_not_pair_are_an_error(self):
        with self.assertRaises(ValueError):
            stats.ratio([1, 2], [1])


if __name__ == "__main__":
    unittest.main()
