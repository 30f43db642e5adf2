// Descriptors from .proto text, with the comments kept.
#ifndef NEARCALL_TESTS_CODEGEN_PARSE_H_
#define NEARCALL_TESTS_CODEGEN_PARSE_H_

#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>

#include <string>

namespace nearcall::codegen {

class Protos : public google::protobuf::io::ErrorCollector {
 public:
  // Adds a file and returns its descriptor, which lives as long as this. Text
  // that does not parse or link fails the test.
  const google::protobuf::FileDescriptor& Add(const std::string& name,
                                              const std::string& text) {
    google::protobuf::io::ArrayInputStream input(text.data(),
                                                 static_cast<int>(text.size()));
    google::protobuf::io::Tokenizer tokenizer(&input, this);
    google::protobuf::compiler::Parser parser;
    parser.RecordErrorsTo(this);
    google::protobuf::FileDescriptorProto file;
    EXPECT_TRUE(parser.Parse(&tokenizer, &file)) << text;
    file.set_name(name);
    const google::protobuf::FileDescriptor* descriptor = pool_.BuildFile(file);
    if (descriptor == nullptr) ADD_FAILURE() << "does not link: " << text;
    return *descriptor;
  }

  void AddError(int line, int column, const std::string& message) override {
    ADD_FAILURE() << line + 1 << ":" << column + 1 << ": " << message;
  }

 private:
  google::protobuf::DescriptorPool pool_;
};

}  // namespace nearcall::codegen

#endif  // NEARCALL_TESTS_CODEGEN_PARSE_H_
