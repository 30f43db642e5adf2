// A queue that owns no memory until it is used (libstdc++'s deque allocates
// when it is constructed, and a call has several queues that mostly stay
// empty).
#ifndef NEARCALL_RUNTIME_FIFO_H_
#define NEARCALL_RUNTIME_FIFO_H_

#include <cstddef>
#include <utility>
#include <vector>

namespace nearcall::internal {

template <typename T>
class Fifo {
 public:
  bool empty() const { return head_ == items_.size(); }
  size_t size() const { return items_.size() - head_; }
  T& front() { return items_[head_]; }
  T& back() { return items_.back(); }
  void push(T item) {
    if (head_ == items_.size()) {
      clear();
    } else if (head_ >= 32 && head_ >= items_.size() / 2) {
      items_.erase(items_.begin(), items_.begin() + static_cast<long>(head_));
      head_ = 0;
    }
    items_.push_back(std::move(item));
  }
  T pop() {
    T item = std::move(items_[head_++]);
    return item;
  }
  void clear() {
    items_.clear();
    head_ = 0;
  }
  /// Visits every item, oldest first, and keeps those for which `keep` is true.
  template <typename Keep>
  void filter(Keep keep) {
    size_t out = 0;
    for (size_t in = head_; in < items_.size(); ++in) {
      if (keep(items_[in])) {
        if (out != in) items_[out] = std::move(items_[in]);
        ++out;
      }
    }
    items_.resize(out);
    head_ = 0;
  }

 private:
  std::vector<T> items_;
  size_t head_ = 0;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_FIFO_H_
