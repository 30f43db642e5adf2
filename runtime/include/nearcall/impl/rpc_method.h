// A method as a stub knows it.
#ifndef NEARCALL_IMPL_RPC_METHOD_H_
#define NEARCALL_IMPL_RPC_METHOD_H_

#include <nearcall/buffering.h>
#include <nearcall/channel_interface.h>

#include <cstdint>
#include <memory>

namespace nearcall::internal {

class RpcMethod {
 public:
  enum RpcType {
    NORMAL_RPC = 0,
    CLIENT_STREAMING,
    SERVER_STREAMING,
    BIDI_STREAMING
  };

  /// `name` is "/package.Service/Method" and must outlive this.
  RpcMethod(const char* name, RpcType type) : name_(name), type_(type) {}
  RpcMethod(const char* name, const char* suffix_for_stats, RpcType type)
      : name_(name), suffix_for_stats_(suffix_for_stats), type_(type) {}
  RpcMethod(const char* name, RpcType type,
            const std::shared_ptr<ChannelInterface>& channel)
      : RpcMethod(name, nullptr, type, channel) {}
  RpcMethod(const char* name, const char* suffix_for_stats, RpcType type,
            const std::shared_ptr<ChannelInterface>& channel)
      : name_(name),
        suffix_for_stats_(suffix_for_stats),
        type_(type),
        tag_(channel->RegisterMethod(name)) {}
  /// With the buffering that the .proto file gives the method.
  RpcMethod(const char* name, const char* suffix_for_stats, RpcType type,
            const std::shared_ptr<ChannelInterface>& channel,
            const Buffering& buffering)
      : RpcMethod(name, suffix_for_stats, type, channel) {
    buffering_ = buffering;
  }

  const char* name() const { return name_; }
  const char* suffix_for_stats() const { return suffix_for_stats_; }
  RpcType method_type() const { return type_; }
  void SetMethodType(RpcType type) { type_ = type; }
  /// What RegisterMethod gave; 0: none.
  uint32_t channel_tag() const { return tag_; }

  const Buffering& buffering() const { return buffering_; }

  bool client_streams() const {
    return type_ == CLIENT_STREAMING || type_ == BIDI_STREAMING;
  }
  bool server_streams() const {
    return type_ == SERVER_STREAMING || type_ == BIDI_STREAMING;
  }

 private:
  const char* const name_;
  const char* const suffix_for_stats_ = nullptr;
  RpcType type_;
  const uint32_t tag_ = 0;
  Buffering buffering_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_IMPL_RPC_METHOD_H_
