// Intrusive reference counting: a call is shared by its context, its session
// and its user's objects, and must cost no allocation of its own.
#ifndef NEARCALL_IMPL_REF_H_
#define NEARCALL_IMPL_REF_H_

#include <atomic>
#include <cstdint>
#include <utility>

namespace nearcall::internal {

class RefCounted {
 public:
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void Ref() const { refs_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() const {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      const_cast<RefCounted*>(this)->OnUnreferenced();
    }
  }

 protected:
  /// Born with one reference.
  RefCounted() = default;
  virtual ~RefCounted() = default;
  /// Deletes, or returns the object to where it came from.
  virtual void OnUnreferenced() { delete this; }
  /// For an object that is used again.
  void ResetRefs() { refs_.store(1, std::memory_order_relaxed); }

 private:
  mutable std::atomic<uint32_t> refs_{1};
};

template <typename T>
class RefPtr {
 public:
  RefPtr() = default;
  /// Takes over a reference that the caller has.
  static RefPtr Adopt(T* object) {
    RefPtr ptr;
    ptr.object_ = object;
    return ptr;
  }
  /// Adds a reference.
  static RefPtr Share(T* object) {
    if (object != nullptr) object->Ref();
    return Adopt(object);
  }
  RefPtr(const RefPtr& other) : RefPtr(Share(other.object_)) {}
  RefPtr(RefPtr&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)) {}
  template <typename U>
  RefPtr(RefPtr<U>&& other) noexcept  // NOLINT: implicit upcast
      : object_(other.release()) {}
  RefPtr& operator=(RefPtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~RefPtr() {
    if (object_ != nullptr) object_->Unref();
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  T* release() { return std::exchange(object_, nullptr); }
  void reset() { RefPtr().swap(*this); }
  void swap(RefPtr& other) noexcept { std::swap(object_, other.object_); }

 private:
  T* object_ = nullptr;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_IMPL_REF_H_
