"""The symbol gate must find planted symbols, whatever their version suffix."""

import unittest

import symbols

CLEAN = """
a.cc.o:
                 U pthread_cond_clockwait@GLIBC_2.30
                 U _ZN8nearcall6StatusC1Ev
"""


class SymbolsTest(unittest.TestCase):

    def test_clean(self):
        self.assertEqual(list(symbols.violations(CLEAN)), [])

    def test_planted(self):
        for symbol in ("sem_timedwait", "pthread_cond_timedwait@GLIBC_2.3.2", "grpc_init",
                       "_ZN4grpc6StatusC1Ev", "sigaction"):
            with self.subTest(symbol):
                found = list(symbols.violations(CLEAN + f"\nb.cc.o:\n                 U {symbol}\n"))
                self.assertEqual([(m, s) for m, s, _ in found], [("b.cc.o", symbol.split("@")[0])])

    def test_allowed_in_one_object_only(self):
        def found(member, symbol):
            return list(symbols.violations(f"\n{member}:\n                 U {symbol}@GLIBC_2.2.5\n"))
        self.assertEqual(found("signal_shutdown.cc.o", "sigaction"), [])
        self.assertEqual(len(found("signal_shutdown.cc.o", "signal")), 1)
        self.assertEqual(len(found("server_core.cc.o", "sigaction")), 1)


if __name__ == "__main__":
    unittest.main()
