// A thread that runs a user's handler may hold something that others need (the
// role of reading a server's links). Before it blocks inside the library it
// gives that up at once, instead of letting a watchdog find out.
#ifndef NEARCALL_RUNTIME_LEND_H_
#define NEARCALL_RUNTIME_LEND_H_

namespace nearcall::internal {

class Lender {
 public:
  /// On the thread that lent: gives it up, once.
  virtual void GiveUp() = 0;

 protected:
  ~Lender() = default;
};

/// What this thread has lent while it runs a handler; null: nothing.
inline thread_local Lender* lent_by_this_thread = nullptr;

/// Called before every wait that another thread must end.
inline void AboutToBlock() {
  if (lent_by_this_thread != nullptr) lent_by_this_thread->GiveUp();
}

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_LEND_H_
