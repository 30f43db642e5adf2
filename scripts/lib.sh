# What the scripts share. Source it: . "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# It changes to the project's root, so the scripts work from any directory.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Two checkouts share what they compile, where ccache is installed.
export CCACHE_BASEDIR="${CCACHE_BASEDIR:-$PWD}" CCACHE_NOHASHDIR=1

readonly packages_build=(g++ cmake ninja-build libprotobuf-dev libprotoc-dev protobuf-compiler
  libabsl-dev)
readonly packages_bench=(libgrpc++-dev protobuf-compiler-grpc python3)
readonly packages_test=(libgtest-dev libgmock-dev grpc-proto python3 strace relacy-dev spin)

say() { printf '\n== %s\n' "$*"; }

# Ends the script: what happened, then what to do.
fail() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  shift
  [[ $# -eq 0 ]] || printf '  %s\n' "$@" >&2
  exit 1
}

as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "needs root to run: $*" 'Run that command as root, then this script again.'
  fi
}

# install_packages PACKAGE...: does nothing when all are there.
install_packages() {
  command -v dpkg-query >/dev/null || fail 'this is not a Debian system' \
    "Install what these Debian packages hold, then run the build by hand: $*"
  local package log missing=()
  for package in $(printf '%s\n' "$@" | sort -u); do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  say "Installing ${missing[*]}"
  log=$(as_root apt-get update -qq 2>&1 </dev/null &&
    as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "${missing[@]}" 2>&1 </dev/null) || {
    printf '%s\n' "$log" >&2
    fail 'apt-get failed' 'Check the network and /etc/apt/sources.list, then run this again.'
  }
}

# configure PRESET [CMAKE-ARGUMENT...]: quiet unless it fails.
configure() {
  local log
  log=$(cmake --preset "$@" 2>&1 </dev/null) || {
    printf '%s\n' "$log" >&2
    fail "cmake --preset $* failed"
  }
}

# build PRESET [TARGET...]
build() {
  local preset=$1
  shift
  cmake --build --preset "$preset" -j "$(nproc)" ${1:+--target "$@"} </dev/null
}

# Prints a TCP port on which nobody listens, below those that the kernel gives to clients.
free_port() {
  local port=$((10000 + $$ % 20000))
  while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  printf '%s' "$port"
}

# Reads scripts/transports: calls `FUNCTION NAME SERVER CLIENT PROCESSES FLOOR BLOCKING`
# for each line, with TAG and PORT filled in.
for_each_transport() {
  local function=$1 tag=$2 port name server client processes floor blocking
  port=$(free_port)
  while read -r -u 9 name server client processes floor blocking; do
    [[ $name != \#* && -n $name ]] || continue
    server=${server/TAG/$tag} server=${server/PORT/$port}
    client=${client/TAG/$tag} client=${client/PORT/$port}
    [[ $client != - ]] || client=$server
    "$function" "$name" "$server" "$client" "$processes" "$floor" "$blocking"
  done 9<scripts/transports
}
