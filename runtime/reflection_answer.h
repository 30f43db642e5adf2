// What server reflection answers, without the calls.
#ifndef NEARCALL_RUNTIME_REFLECTION_ANSWER_H_
#define NEARCALL_RUNTIME_REFLECTION_ANSWER_H_

#include <google/protobuf/descriptor.h>

#include <set>
#include <string>

#include "nearcall/reflection.pb.h"

namespace nearcall::internal {

/// Answers `request` from `pool`; `services` are the full names of those that
/// the server has. What cannot be answered is an error_response. Any thread.
void AnswerReflection(const google::protobuf::DescriptorPool& pool,
                      const std::set<std::string>& services,
                      const reflection::ServerReflectionRequest& request,
                      reflection::ServerReflectionResponse* response);

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_REFLECTION_ANSWER_H_
