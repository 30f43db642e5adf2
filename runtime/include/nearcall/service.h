// The base of generated services.
#ifndef NEARCALL_SERVICE_H_
#define NEARCALL_SERVICE_H_

#include <nearcall/buffering.h>
#include <nearcall/impl/rpc_method.h>
#include <nearcall/impl/server_call.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace nearcall {

namespace internal {
class ServiceAccess;

/// A method as a service offers it.
class RpcServiceMethod {
 public:
  /// `name` is "/package.Service/Method" and must outlive this. Takes over
  /// `handler`; null: the method is not answered here.
  RpcServiceMethod(const char* name, RpcMethod::RpcType type,
                   MethodHandler* handler,
                   const Buffering& buffering = Buffering())
      : name_(name), type_(type), handler_(handler), buffering_(buffering) {}

  const char* name() const { return name_; }
  RpcMethod::RpcType type() const { return type_; }
  MethodHandler* handler() const { return handler_.get(); }
  const Buffering& buffering() const { return buffering_; }
  void set_handler(MethodHandler* handler) { handler_.reset(handler); }

 private:
  const char* const name_;
  const RpcMethod::RpcType type_;
  std::unique_ptr<MethodHandler> handler_;
  const Buffering buffering_;
};
}  // namespace internal

/// Must outlive every server that it is registered with. Set up by one thread,
/// before it is registered.
class Service {
 public:
  Service() = default;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  virtual ~Service() = default;

  bool has_synchronous_methods() const { return Any(Kind::kSync); }
  bool has_callback_methods() const { return Any(Kind::kCallback); }
  bool has_generic_methods() const { return Any(Kind::kGeneric); }

 protected:
  void AddMethod(internal::RpcServiceMethod* method) {
    methods_.push_back(Entry{
        std::unique_ptr<internal::RpcServiceMethod>(method), Kind::kSync});
  }
  /// The method at `index` is answered by reactors from now on.
  void MarkMethodCallback(int index, internal::MethodHandler* handler) {
    Entry& entry = methods_[static_cast<size_t>(index)];
    entry.method->set_handler(handler);
    entry.kind = Kind::kCallback;
  }
  /// The method at `index` falls to the server's generic service.
  void MarkMethodGeneric(int index) {
    Entry& entry = methods_[static_cast<size_t>(index)];
    entry.method->set_handler(nullptr);
    entry.kind = Kind::kGeneric;
  }
  internal::MethodHandler* GetHandler(int index) {
    return methods_[static_cast<size_t>(index)].method->handler();
  }

 private:
  friend class internal::ServiceAccess;
  enum class Kind { kSync, kCallback, kGeneric };
  struct Entry {
    std::unique_ptr<internal::RpcServiceMethod> method;
    Kind kind;
  };
  bool Any(Kind kind) const {
    for (const Entry& entry : methods_) {
      if (entry.kind == kind) return true;
    }
    return false;
  }

  std::vector<Entry> methods_;
};

namespace internal {
class ServiceAccess {
 public:
  template <typename Visit>
  static void ForEachMethod(const Service& service, Visit visit) {
    for (const Service::Entry& entry : service.methods_) visit(*entry.method);
  }
};
}  // namespace internal

}  // namespace nearcall

#endif  // NEARCALL_SERVICE_H_
