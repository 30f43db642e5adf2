#!/usr/bin/env bash
# nearcall_generate in projects that a user could have, with nearcall as imported
# targets: what a package gives.
#
#   generate_test.sh layout|mistakes FOLDER CMAKE GENERATOR PLUGIN NEARCALL_GENERATE_CMAKE
#
# FOLDER is the name of the one that the projects go to: with a space in it, the
# rules and the dependency files must quote each path.
set -euo pipefail
part=$1 folder=$2 cmake=$3 generator=$4 plugin=$5 module=$6
work="$(mktemp -d)/$folder"
trap 'rm -rf "$(dirname "$work")"' EXIT
failed=0

fail() {
  echo "FAILED: $*"
  failed=1
}

# A project in $work/$1 that reads its CMakeLists.txt's last part from stdin.
project() {
  mkdir -p "$work/$1"
  {
    cat <<END
cmake_minimum_required(VERSION 3.16)
project(scratch LANGUAGES CXX)
find_package(Protobuf REQUIRED)
add_executable(nearcall::protoc-gen-nearcall IMPORTED)
set_target_properties(nearcall::protoc-gen-nearcall PROPERTIES IMPORTED_LOCATION "$plugin")
add_library(nearcall::nearcall INTERFACE IMPORTED)
include("$module")
# Only generates, so that the test needs no compiler.
function(generate_only target)
  get_target_property(sources \${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "pb[.](h|cc)\$")
  add_custom_target(gen_\${target} ALL DEPENDS \${sources})
  set_target_properties(\${target} PROPERTIES EXCLUDE_FROM_ALL TRUE)
endfunction()
END
    cat
  } >"$work/$1/CMakeLists.txt"
}

configure() { "$cmake" -S "$work/$1" -B "$work/$1/build" -G "$generator" >"$work/log" 2>&1; }
build() { "$cmake" --build "$work/$1/build" >"$work/log" 2>&1 || { cat "$work/log"; fail "$1 does not build"; }; }

expect_file() { [[ -f $1 ]] || fail "$1 was not written"; }

# Whether the build of project $1 writes $2 anew.
rebuilds() {
  local stamp="$work/stamp"
  touch -r "$2" "$stamp"
  build "$1"
  [[ $2 -nt $stamp ]]
}

# Gives $1 a change that a make with whole seconds sees as well.
change() {
  echo "// changed" >>"$1"
  touch -d "$(date -d '+2 seconds' '+%F %T')" "$1"
}

expect_error() {  # PROJECT TEXT: configuring fails and says so
  if configure "$1"; then
    fail "$1: configuring succeeded"
  elif ! tr -s ' \n' '  ' <"$work/log" | grep -qF "$2"; then
    fail "$1: the error does not say '$2':"
    cat "$work/log"
  fi
}

service() {  # PACKAGE [IMPORT MESSAGE]
  printf 'syntax = "proto3";\npackage %s;\n' "$1"
  [[ $# -lt 2 ]] || printf 'import "%s";\n' "$2"
  printf 'message M {}\nservice S { rpc Get(%s) returns (M); }\n' "${3:-M}"
}

layout() {
# Sources of the target, of another folder, and of import directories.
project layout <<'END'
add_library(hello hello.proto sub/inner.proto unused.cc)
nearcall_generate(TARGET hello
  PROTOS ../elsewhere/outside.proto apis/v1/api.proto
  IMPORT_DIRS apis ${CMAKE_CURRENT_SOURCE_DIR}/../common
  MOCKS PLUGIN_OPTIONS services_namespace=rpc)
generate_only(hello)
add_library(compat compat.proto)
nearcall_generate(TARGET compat OUT_DIR gen/compat GRPC_COMPAT IMPORT_DIRS ../common)
generate_only(compat)
# A caller's own plain signature must stay possible.
target_link_libraries(hello compat)
get_target_property(includes hello INTERFACE_INCLUDE_DIRECTORIES)
get_target_property(links hello INTERFACE_LINK_LIBRARIES)
file(WRITE ${CMAKE_BINARY_DIR}/usage "${includes}\n${links}\n")
END
mkdir -p "$work/layout/sub" "$work/layout/apis/v1" "$work/elsewhere" "$work/common/base"
service hello base/types.proto base.M >"$work/layout/hello.proto"
service inner >"$work/layout/sub/inner.proto"
service outside >"$work/elsewhere/outside.proto"
service api >"$work/layout/apis/v1/api.proto"
service compat base/types.proto base.M >"$work/layout/compat.proto"
printf 'syntax = "proto3";\npackage base;\nimport "base/deeper.proto";\nmessage M { D d = 1; }\n' >"$work/common/base/types.proto"
printf 'syntax = "proto3";\npackage base;\nmessage D {}\n' >"$work/common/base/deeper.proto"
touch "$work/layout/unused.cc"
configure layout || { cat "$work/log"; fail "layout does not configure"; }
build layout
out="$work/layout/build/hello.protos"
for name in hello sub/inner outside v1/api; do
  for end in .pb.h .pb.cc .nearcall.pb.h .nearcall.pb.cc _mock.nearcall.pb.h; do expect_file "$out/$name$end"; done
done
for end in .pb.h .pb.cc .grpc.pb.h .grpc.pb.cc; do expect_file "$work/layout/build/gen/compat/compat$end"; done
grep -q 'namespace hello::rpc' "$out/hello.nearcall.pb.h" || fail "PLUGIN_OPTIONS did not arrive"
grep -qF "$out" "$work/layout/build/usage" || fail "the include directory is not public"
grep -qF 'nearcall::nearcall;protobuf::libprotobuf' "$work/layout/build/usage" || fail "nearcall is not linked"

# What is generated again, and what is not.
! rebuilds layout "$out/hello.nearcall.pb.h" || fail "generated again without a change"
change "$work/layout/hello.proto"
rebuilds layout "$out/hello.nearcall.pb.h" || fail "not generated again after a change of the .proto"
change "$work/common/base/types.proto"
rebuilds layout "$out/hello.nearcall.pb.h" || fail "not generated again after a change of an import"
change "$work/common/base/deeper.proto"
rebuilds layout "$out/hello.nearcall.pb.h" || fail "not generated again after a change of an import's import"
change "$work/common/base/deeper.proto"
! rebuilds layout "$out/sub/inner.nearcall.pb.h" || fail "generated again after a change of another file's import"
rm -r "$out"
build layout
expect_file "$out/sub/inner.nearcall.pb.h"
}

mistakes() {
project no_protos <<<'add_library(t t.cc)
nearcall_generate(TARGET t)'
touch "$work/no_protos/t.cc"
expect_error no_protos "'t' has no .proto among its sources"

project missing_file <<<'add_library(t there.proto gone.proto)
nearcall_generate(TARGET t)'
service there >"$work/missing_file/there.proto"
expect_error missing_file "missing_file/gone.proto does not exist"

project no_target <<<'nearcall_generate(TARGET nobody)'
expect_error no_target "'nobody' is not a target"

project no_name <<<'nearcall_generate(PROTOS x.proto)'
expect_error no_name "TARGET is missing"

project unknown_argument <<<'add_library(t INTERFACE)
nearcall_generate(TARGET t MOCK)'
expect_error unknown_argument "unknown arguments: MOCK"

project interface_library <<<'add_library(t INTERFACE)
nearcall_generate(TARGET t)'
expect_error interface_library "'t' has type INTERFACE_LIBRARY"

project import_dir <<<'add_library(t t.proto)
nearcall_generate(TARGET t IMPORT_DIRS nowhere)'
expect_error import_dir "import_dir/nowhere, which is not a folder"

project same_output <<<'add_library(t ../same_a/x.proto ../same_b/x.proto)
nearcall_generate(TARGET t)'
mkdir -p "$work/same_a" "$work/same_b"
service a >"$work/same_a/x.proto"
service b >"$work/same_b/x.proto"
expect_error same_output "would both be compiled to"

project same_output_of_two <<<'add_library(t x.proto)
add_library(u x.proto)
nearcall_generate(TARGET t OUT_DIR gen)
nearcall_generate(TARGET u OUT_DIR gen)'
service x >"$work/same_output_of_two/x.proto"
expect_error same_output_of_two "(target 't') would both be compiled to"

project other_folder <<<'add_library(t t.proto)
add_subdirectory(sub)'
mkdir "$work/other_folder/sub"
echo 'nearcall_generate(TARGET t)' >"$work/other_folder/sub/CMakeLists.txt"
expect_error other_folder "call nearcall_generate in the CMakeLists.txt there"
}

"$part"
exit $failed
