#!/usr/bin/env bash
# Compares what protoc-gen-nearcall writes with the files committed in golden/,
# or replaces these.
#
#   goldens.sh list
#   goldens.sh check  PROTOC PLUGIN CASE
#   goldens.sh update PROTOC PLUGIN [CASE...]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# Case, options of the generator, .proto files below protos/.
cases() {
  cat <<'END'
no_package                -                                         no_package.proto
nested_package            -                                         nested_package.proto
several_services          -                                         several_services.proto
imports                   -                                         imports.proto shared/v1/types.proto
folder                    -                                         other/folder.proto
streaming                 -                                         streaming.proto
keywords                  generate_mock_code=true                   keywords.proto
hidden_namespaces         -                                         hidden_namespaces.proto
comments                  -                                         comments.proto
proto2                    -                                         proto2.proto
proto3_optional           -                                         proto3_optional.proto
no_service                -                                         no_service.proto
mocks                     generate_mock_code=true                   streaming.proto
grpc_compat               grpc_compat=true,generate_mock_code=true  streaming.proto imports.proto shared/v1/types.proto
services_namespace        services_namespace=rpc::v2,generate_mock_code  no_package.proto generic_services.proto
include_import_headers    include_import_headers=true               imports.proto shared/v1/types.proto
additional_header_includes  additional_header_includes=first.h:second/second.h  no_package.proto
message_header_extension  message_header_extension=.proto.h         no_package.proto
search_paths              grpc_search_path=third_party,gmock_search_path=third_party/mock/,generate_mock_code=true  no_package.proto
quoted_headers            use_system_headers=false,generate_mock_code=true,grpc_search_path=third_party  no_package.proto
END
}

generate() {  # PROTOC PLUGIN CASE OUT
  local name options protos
  read -r name options protos < <(cases | awk -v name="$3" '$1 == name')
  if [[ -z $protos ]]; then
    echo "goldens.sh: there is no case '$3'; 'goldens.sh list' names them" >&2
    return 2
  fi
  [[ $options != - ]] || options=
  mkdir -p "$4"
  # shellcheck disable=SC2086  # protos is a list
  (cd "$here/protos" && "$1" -I. --plugin=protoc-gen-nearcall="$2" \
    --nearcall_out="$4" --nearcall_opt="$options" $protos)
}

case ${1:-} in
  list)
    cases | awk '{print $1}'
    ;;
  check)
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
    generate "$2" "$3" "$4" "$out/$4"
    if ! diff -ru "$here/golden/$4" "$out/$4"; then
      echo "The output for '$4' is no longer that of $here/golden/$4."
      echo "If the change is meant, build the target update-goldens, look at git diff, and commit."
      exit 1
    fi
    ;;
  update)
    protoc=$2 plugin=$3
    shift 3
    for name in ${*:-$(cases | awk '{print $1}')}; do
      rm -rf "${here:?}/golden/$name"
      generate "$protoc" "$plugin" "$name" "$here/golden/$name"
    done
    ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
