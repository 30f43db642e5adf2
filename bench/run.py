"""Runs the benches side by side, prints a table, writes JSON.

Each round measures every contender once, one after the other; a ratio is the
median of the per-round ratios, with the least and the greatest beside it.
"""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import stats

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The machine's own limit for a figure that says something: a spinning round
# trip slower than this means that the two processes did not run side by side.
NOISY_FLOOR_NS = 900
# Faster than this means that the two ran on the two threads of one core: what
# crosses between them costs next to nothing, and a ratio to that floor compares
# instructions only.
ONE_CORE_FLOOR_NS = 300
SECONDS_PER_RUN = 120
# How long the handlers block in the case 'beside': a call each millisecond while
# another thread calls such a handler on the same channel, again and again. About
# every twentieth call finds the server's reader inside a handler that has just
# begun to block, so p99 is what such a call waits until another takes over.
BLOCK_MICROS = 20000

Case = collections.namedtuple("Case", "case transport bytes contender")


def calls(size, short):
    count = {64: 20000, 4096: 20000, 65536: 4000}.get(size, 400)
    return count // 4 if short else count


def transports():
    for line in (ROOT / "scripts/transports").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, server, client, processes, floor, blocking = line.split()
            yield name, server if client == "-" else client, floor, blocking


def add_option(target, option):
    return target + ("&" if "?" in target else "?") + option


def commands(build, directory, size, short):
    """Case -> command, in the order of one round."""
    count = calls(size, short)
    tag, port = f"bench-{os.getpid()}", free_port()
    flags = [f"--bytes={size}", f"--count={count}", f"--warmup={count // 10}"]
    latency, floor, grpc = (str(build / f"bench_{n}") for n in ("latency", "floor", "grpc"))
    result = {}
    for name, target, spinning, blocking in transports():
        target = f"--target={target.replace('TAG', tag).replace('PORT', str(port))}"
        raw = [str(size), str(count)]
        result[Case("raw", name, size, "raw-spin")] = [floor, spinning, *raw, "spin"]
        result[Case("raw", name, size, "raw-block")] = [floor, blocking, *raw, "block"]
        result[Case("full", name, size, "nearcall")] = [latency, target, *flags]
        # A command has no options behind it: they come from the configuration.
        nospin = ([latency, add_option(target, "spin_micros=0")] if not target.endswith("pipe:") else
                  ["env", f"NEARCALL_CONFIG={no_spin_config(directory)}", latency, target])
        result[Case("full", name, size, "nearcall-nospin")] = [*nospin, *flags]
        if name == "shm" and size == 64:
            result[Case("plain", name, size, "nearcall")] = [
                latency, target, *flags, "--case=plain"]
        if size == 64:
            result[Case("beside", name, size, "nearcall")] = [
                latency, target, "--bytes=64", f"--count={250 if short else 1000}", "--warmup=100",
                "--pace=1000", f"--beside-block={BLOCK_MICROS}"]
    for name, target in (("unix", f"unix:{directory}/grpc.sock"),
                         ("tcp", f"127.0.0.1:{port}"),
                         ("inproc", "inproc:grpc")):
        result[Case("full", name, size, "grpc")] = [grpc, f"--target={target}", *flags]
    return result


def no_spin_config(directory):
    path = pathlib.Path(directory) / "no-spin.json"
    path.write_text('{"defaults": {"spin_micros": 0}}\n')
    return path


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(command, environment):
    done = subprocess.run(command, env=environment, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, timeout=SECONDS_PER_RUN, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: '{' '.join(command)}' ended with code {done.returncode}")
    return stats.parse_line(done.stdout)


def measure(build, sizes, rounds, short):
    """Case -> metric -> one figure a round, in nanoseconds."""
    figures = collections.defaultdict(lambda: collections.defaultdict(list))
    with tempfile.TemporaryDirectory() as directory:
        environment = dict(os.environ, NEARCALL_RUNTIME_DIR=directory)
        for size in sizes:
            plan = commands(build, directory, size, short)
            for number in range(rounds):
                print(f"bench: {size} bytes, round {number + 1} of {rounds}",
                      file=sys.stderr, flush=True)
                for case, command in plan.items():
                    for key, value in run(command, environment).items():
                        if key.endswith("_ns"):
                            figures[case][key[:-3]].append(value)
    return figures


def baselines(case):
    """What a contender is divided by: name -> case."""
    raw = case._replace(case="raw")
    return {"raw-spin": raw._replace(contender="raw-spin"),
            "raw-block": raw._replace(contender="raw-block"),
            "grpc-unix": case._replace(case="full", transport="unix", contender="grpc")}


def records(figures):
    """The JSON: absolute medians, and ratios of p50 with their spread."""
    result = []
    for case, metrics in figures.items():
        for metric, rounds in metrics.items():
            result.append(dict(case._asdict(), metric=metric, unit="us",
                               value=round(stats.median(rounds) / 1000, 3)))
        if not case.contender.startswith("nearcall"):
            continue
        for name, other in baselines(case).items():
            if other not in figures:
                continue
            values = stats.ratio(metrics["p50"], figures[other]["p50"])
            for suffix, value in zip(("", "_least", "_greatest"), values):
                result.append(dict(case._asdict(), metric=f"p50_per_{name}{suffix}",
                                   unit="x", value=round(value, 4)))
    return result


def print_table(figures):
    columns = "{:<15}{:<17}{:<6}" + "{:>10}" * 5 + "  {:<20}{:<20}{}"
    sizes = sorted({case.bytes for case in figures})
    for size in sizes:
        print(f"\nUnary call, {size} bytes there and back; microseconds, medians of the rounds")
        print(columns.format("transport", "contender", "case", "p50", "p90", "p99", "p99.9", "cpu",
                             "x raw spinning", "x raw blocking", "gRPC over unix is"))
        for case, metrics in figures.items():
            if case.bytes != size:
                continue
            cells = [f"{stats.median(metrics[m]) / 1000:.2f}" if m in metrics else "-"
                     for m in ("p50", "p90", "p99", "p999", "cpu")]
            ratios = []
            for name, other in baselines(case).items():
                if not case.contender.startswith("nearcall") or other not in figures:
                    ratios.append("")
                elif name == "grpc-unix":
                    mid, low, high = stats.ratio(figures[other]["p50"], metrics["p50"])
                    ratios.append(f"{mid:.1f}x slower ({low:.1f}-{high:.1f})")
                else:
                    mid, low, high = stats.ratio(metrics["p50"], figures[other]["p50"])
                    ratios.append(f"{mid:.2f} ({low:.2f}-{high:.2f})")
            print(columns.format(case.transport, case.contender, case.case, *cells,
                                 *ratios).rstrip())


def print_floor(figures):
    floor = figures.get(Case("raw", "shm", 64, "raw-spin"))
    if not floor:
        return
    nanos = stats.median(floor["p50"])
    if nanos > NOISY_FLOOR_NS:
        print(f"\nThis machine was noisy: the spinning floor took {nanos / 1000:.2f} us, more than "
              f"{NOISY_FLOOR_NS / 1000:.1f} us. Ratios hold better than figures.")
    elif nanos < ONE_CORE_FLOOR_NS:
        print(f"\nBoth processes ran on threads of one core: the spinning floor took {nanos / 1000:.2f} us, "
              "where two cores take about 0.6 us. Ratios to it do not compare with those of two cores.")


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--short", action="store_true", help="under a minute: fewer calls and sizes")
    parser.add_argument("--rounds", type=int, default=7, help="default 7, never fewer than 3")
    parser.add_argument("--bytes", type=int, action="append", metavar="N",
                        help="payload size; may be repeated (default 64, 4096, 65536, 1048576)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error("--rounds: a median needs at least 3")
    sizes = options.bytes or ([64, 65536] if options.short else [64, 4096, 65536, 1048576])
    figures = measure(options.build, sizes, options.rounds, options.short)
    print_table(figures)
    print_floor(figures)
    if options.json:
        options.json.write_text(json.dumps(records(figures), indent=1) + "\n")
        print(f"\nFigures: {options.json}")


if __name__ == "__main__":
    main()
