// protoc-gen-nearcall: protoc starts it and speaks to it on stdin and stdout.
#include <google/protobuf/compiler/plugin.h>
#include <nearcall/version.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "codegen/generator.h"

int main(int argc, char* argv[]) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::puts("protoc-gen-nearcall " NEARCALL_VERSION_STRING);
    return 0;
  }
  if (argc > 1 || isatty(STDIN_FILENO)) {
    std::fputs(
        "protoc-gen-nearcall is a plugin of protoc, which starts it:\n"
        "  protoc -I. --cpp_out=. --nearcall_out=. "
        "--plugin=protoc-gen-nearcall=/path/to/protoc-gen-nearcall "
        "hello.proto\n"
        "By itself it only knows --version.\n",
        stderr);
    return 2;
  }
  const nearcall::codegen::Generator generator;
  return google::protobuf::compiler::PluginMain(argc, argv, &generator);
}
