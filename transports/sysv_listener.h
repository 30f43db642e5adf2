// A server's name, its queue and the clients that are about to be linked.
#ifndef NEARCALL_TRANSPORTS_SYSV_LISTENER_H_
#define NEARCALL_TRANSPORTS_SYSV_LISTENER_H_

#include <list>
#include <memory>
#include <string>

#include "runtime/sync.h"
#include "runtime/transport.h"
#include "transports/rendezvous.h"
#include "transports/sysv_inbox.h"

namespace nearcall::internal {

class SysvListener final : public Listener {
 public:
  /// `info`: scheme, the name's path, and the largest frame.
  static absl::StatusOr<std::unique_ptr<SysvListener>> Listen(LinkInfo info);
  ~SysvListener() override { Close(); }

  const std::string& address() const override { return address_; }
  Pollable incoming() const override { return {}; }
  absl::StatusOr<std::unique_ptr<Link>> Accept() override;
  Waiter* waiter() override { return inbox_.get(); }
  void Close() override;

 private:
  struct HalfOpen {
    std::shared_ptr<SysvMailbox> box;
    SysvConnect request;
    PeerIds peer;
    std::string record;
    uint64_t watch_token = 0;
    Deadline until;
  };

  explicit SysvListener(LinkInfo info);
  void PublishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropStalledLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AnswerLocked(const SysvConnect& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::unique_ptr<Link> FinishLocked(const SysvMailbox* box)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t Watch(const SysvMailbox& box, Fd pidfd, std::string record);
  void Drop(HalfOpen* half_open);

  const LinkInfo info_;
  const std::string address_;
  const uint32_t generation_ = ForkGeneration();
  std::shared_ptr<SysvInbox> inbox_;

  Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  NameLock lock_ ABSL_GUARDED_BY(mutex_);
  int published_ ABSL_GUARDED_BY(mutex_) =
      -1;  ///< The queue that the name has.
  std::list<HalfOpen> half_open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_SYSV_LISTENER_H_
