#!/usr/bin/env bash
# protoc-gen-nearcall as a program: plugin_test.sh PROTOC PLUGIN VERSION
set -euo pipefail
protoc=$1 plugin=$2 version=$3
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
exit $failed
