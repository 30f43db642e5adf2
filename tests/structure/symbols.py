"""Checks what the built library needs from others: python3 symbols.py NM ARCHIVE

The sources cannot show what a template of the standard library calls; the
symbols can."""

import re
import subprocess
import sys

FORBIDDEN = {
    r"^(sem_timedwait|pthread_cond_timedwait|pthread_mutex_timedlock)$":
        "waits on a clock that jumps",
    r"^grpc_|^_ZNK?4grpc": "is gRPC's: only transports/grpc may need it",
    r"^(signal|sigaction)$": "changes the application's signal handling",
}
# The one place that may, and only when the application asks it to
# (Server::ShutdownOnSignals).
ALLOWED = {("signal_shutdown.cc.o", "sigaction")}


def violations(nm_output):
    """Yields (object, symbol, why) from the output of `nm -u ARCHIVE`."""
    member = "?"
    for line in nm_output.splitlines():
        if line.endswith(":"):
            member = line[:-1]
            continue
        words = line.split()
        if len(words) == 2 and words[0] in ("U", "w"):
            for pattern, why in FORBIDDEN.items():
                symbol = words[1].split("@")[0]
                if re.search(pattern, symbol) and (member, symbol) not in ALLOWED:
                    yield member, symbol, why


def main(nm, archive):
    listing = subprocess.run([nm, "-u", archive], text=True, stdout=subprocess.PIPE, check=True)
    if " U " not in listing.stdout:
        sys.exit(f"symbols: {archive} has no undefined symbols: is it the library?")
    found = list(violations(listing.stdout))
    for member, symbol, why in found:
        print(f"{archive}({member}): needs {symbol}, which {why}")
    print(f"{len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("use: python3 symbols.py NM ARCHIVE")
    sys.exit(main(*sys.argv[1:]))
