// A Link over two System V queues: it sends into the peer's and receives
// through its inbox. Both ends are the same; a client's inbox has one link.
//
// System calls: a frame (or many, one flush) costs one msgsnd for each 4 KiB;
// one msgrcv takes what one msgsnd sent, and a look that would most likely find
// nothing, right after a frame was released, is left out.
#ifndef NEARCALL_TRANSPORTS_SYSV_LINK_H_
#define NEARCALL_TRANSPORTS_SYSV_LINK_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "runtime/fd.h"
#include "runtime/link.h"
#include "transports/end_reason.h"
#include "transports/stream_buffers.h"
#include "transports/sysv_inbox.h"

namespace nearcall::internal {

/// What establishing a link leaves to it.
struct SysvLinkParts {
  std::shared_ptr<SysvInbox> inbox;
  std::shared_ptr<SysvMailbox> box;
  uint64_t watch_token = 0;  ///< Of SysvWatch::AddPeer.
  /// A server's: the record of the client's queue, to signal its end, and to
  /// remove both when the client has died. Empty at the client.
  std::string client_record;
};

class SysvLink final : public Link {
 public:
  SysvLink(SysvLinkParts parts, LinkInfo info);
  ~SysvLink() override;

  SysvMailbox* mailbox() { return box_.get(); }

  const LinkInfo& info() const override { return info_; }
  WriteSpan Reserve(uint32_t size) override;
  void Commit(uint32_t size) override { out_.Commit(size); }
  Io Flush() override;
  ReadSpan Peek() override;
  void Release() override;
  Io Sleep(unsigned want, Deadline deadline) override;
  void Interrupt() override;
  bool Arm(unsigned want) override;
  void Disarm() override { parts_.inbox->Disarm(box_.get()); }
  Pollable PollFd(Want) const override { return {}; }
  Pollable DeathFd() const override;
  void Close() override;
  std::string reason() const override { return reason_.Get(); }

 private:
  bool MadeBeforeFork() const { return reason_.MadeBeforeFork(); }
  Io LocalEnd() const;
  Io Blocked();
  Io EndWrites(Io io, std::string reason);
  Io EndReads(Io io, std::string reason);
  Io ReadEndFor(Io fetched);
  Io MayProgress(unsigned want) const;
  std::string Where() const;

  const LinkInfo info_;
  const SysvLinkParts parts_;
  const std::shared_ptr<SysvMailbox> box_;

  // The writer's.
  OutBuffer out_;

  // The reader's.
  InBuffer in_;
  bool peeked_ = false;
  bool presumed_empty_ = false;  ///< The next look is left out.

  std::atomic<Io> read_end_{Io::kOk};
  std::atomic<Io> write_end_{Io::kOk};
  std::atomic<bool> closed_{false};
  std::atomic<bool> interrupted_{false};

  EndReason reason_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_SYSV_LINK_H_
