#!/usr/bin/env bash
# protoc-gen-nearcall as a program: plugin_test.sh PROTOC PLUGIN VERSION CXX
set -euo pipefail
protoc=$1 plugin=$2 version=$3 cxx=$4
protos=$(cd "$(dirname "$0")/protos" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0

expect() {  # WHAT EXPECTED ACTUAL
  if [[ $3 != *"$2"* ]]; then
    printf '%s: expected to find\n  %s\nin\n%s\n' "$1" "$2" "$3"
    failed=1
  fi
}

run() {  # OPTIONS PROTO: what protoc prints; fails if protoc succeeds
  ! "$protoc" -I"$protos" --plugin=protoc-gen-nearcall="$plugin" \
    --nearcall_out="$out" --nearcall_opt="$1" "$2" 2>&1
}

expect '--version' "protoc-gen-nearcall $version" "$("$plugin" --version)"
expect 'an argument' '--nearcall_out=' "$("$plugin" hello.proto 2>&1 || echo "status $?")"
expect 'an argument' 'status 2' "$("$plugin" hello.proto 2>&1 || echo "status $?")"
expect 'an unknown option' "unknown option 'mocks'; known are generate_mock_code" "$(run mocks=true no_package.proto)"
expect 'a bad value' "option grpc_compat is '1': use true or false" "$(run grpc_compat=1 no_package.proto)"
expect 'generic services' 'services_namespace=NAME' "$(run '' generic_services.proto)"
if [[ -n $(ls "$out") ]]; then
  echo "a failed run left files:" "$out"/*
  failed=1
fi

# Headers of another minor version are refused, those of another patch are not.
preprocess() {  # NUMBER: with a nearcall of that version
  mkdir -p "$out/nearcall"
  touch "$out/no_package.pb.h"
  echo "#define NEARCALL_VERSION ($1)" >"$out/nearcall/generated.h"
  "$cxx" -E -I"$out" "$out/no_package.nearcall.pb.h" 2>&1 >/dev/null
}
"$protoc" -I"$protos" --plugin=protoc-gen-nearcall="$plugin" --nearcall_out="$out" no_package.proto
IFS=. read -r major minor patch <<<"$version"
expect 'another minor version' "Generate it again" \
  "$(preprocess "$major * 1000000 + $((minor + 1)) * 1000 + $patch" || true)"
preprocess "$major * 1000000 + $minor * 1000 + $((patch + 1))" || failed=1
exit $failed
