// Where a unary reactor method's messages come from: gRPC's interface.
#ifndef NEARCALL_MESSAGE_ALLOCATOR_H_
#define NEARCALL_MESSAGE_ALLOCATOR_H_

namespace nearcall {

/// What a call's messages live in; the handler may free the request early.
class RpcAllocatorState {
 public:
  virtual ~RpcAllocatorState() = default;
  /// The handler needs the request no longer.
  virtual void FreeRequest() {}
};

template <typename RequestT, typename ResponseT>
class MessageHolder : public RpcAllocatorState {
 public:
  /// After the call: gives both messages and this object back.
  virtual void Release() = 0;
  RequestT* request() { return request_; }
  ResponseT* response() { return response_; }

 protected:
  void set_request(RequestT* request) { request_ = request; }
  void set_response(ResponseT* response) { response_ = response; }

 private:
  RequestT* request_ = nullptr;
  ResponseT* response_ = nullptr;
};

/// Thread-safe; outlives the server.
template <typename RequestT, typename ResponseT>
class MessageAllocator {
 public:
  virtual ~MessageAllocator() = default;
  virtual MessageHolder<RequestT, ResponseT>* AllocateMessages() = 0;
};

}  // namespace nearcall

#endif  // NEARCALL_MESSAGE_ALLOCATOR_H_
