// The code generator that protoc runs, as a library.
#ifndef NEARCALL_CODEGEN_GENERATOR_H_
#define NEARCALL_CODEGEN_GENERATOR_H_

#include <google/protobuf/compiler/code_generator.h>

#include <string>

namespace nearcall::codegen {

class Generator final : public google::protobuf::compiler::CodeGenerator {
 public:
  bool Generate(const google::protobuf::FileDescriptor* file,
                const std::string& parameter,
                google::protobuf::compiler::GeneratorContext* context,
                std::string* error) const override;
  uint64_t GetSupportedFeatures() const override {
    return FEATURE_PROTO3_OPTIONAL;
  }
};

}  // namespace nearcall::codegen

#endif  // NEARCALL_CODEGEN_GENERATOR_H_
