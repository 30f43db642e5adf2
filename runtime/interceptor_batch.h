// The way of one batch of hooks through the interceptors of a call: what both
// sides have in common.
#ifndef NEARCALL_RUNTIME_INTERCEPTOR_BATCH_H_
#define NEARCALL_RUNTIME_INTERCEPTOR_BATCH_H_

#include <nearcall/client_interceptor.h>
#include <nearcall/impl/message.h>
#include <nearcall/impl/metadata.h>
#include <nearcall/interceptor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/fifo.h"
#include "runtime/sync.h"

namespace nearcall::internal {

using HookPoint = experimental::InterceptionHookPoints;
using HookSet = uint32_t;
constexpr HookSet Hook(HookPoint point) {
  return HookSet{1} << static_cast<int>(point);
}

using ClientInterceptorFactories = std::vector<
    std::unique_ptr<experimental::ClientInterceptorFactoryInterface>>;
using SendMetadata = std::multimap<std::string, std::string>;

/// What a context is about to send, in the form that interceptors change, and
/// back.
SendMetadata ReadBlock(const MetadataBlock& block);
void WriteBlock(const SendMetadata& metadata, MetadataBlock* block);

/// A channel over `channel` whose calls only the interceptors from `first` on
/// see; the process's own is the last. It must not outlive `channel`.
std::unique_ptr<ChannelInterface> MakeChannelPast(ChannelInterface* channel,
                                                  size_t first);

/// `channel`, with its calls behind interceptors.
std::shared_ptr<ChannelInterface> Intercept(
    std::shared_ptr<ChannelInterface> channel,
    ClientInterceptorFactories factories);

/// The interceptors of one call. Constant once made, but for the hijacker.
struct CallInterceptors {
  struct Entry {
    std::unique_ptr<experimental::Interceptor> interceptor;
    size_t next_factory;  ///< Where those after it begin.
  };
  static constexpr size_t kNobody = SIZE_MAX;

  /// Every interceptor hears of it.
  void Cancel();

  std::vector<Entry> entries;
  /// Set in the batch with PRE_SEND_INITIAL_METADATA, before any other.
  size_t hijacker = kNobody;
  ChannelInterface* channel = nullptr;  ///< Clients only.
};

/// For one operation at a time. Set up what its hooks see, then run it down
/// (PRE_) and, when the operation is over, up (POST_).
class InterceptorBatch final : public experimental::InterceptorBatchMethods {
 public:
  struct Sent {
    OutMessage message;
    SendMetadata* initial_metadata = nullptr;
    SendMetadata* trailing_metadata = nullptr;
    Status* status = nullptr;
    bool ok = true;
  };
  struct Received {
    void* message = nullptr;
    MetadataMap* initial_metadata = nullptr;
    MetadataMap* trailing_metadata = nullptr;
    Status* status = nullptr;
    bool ok = true;  ///< False: FailHijackedRecvMessage.
  };

  /// Before anything else; `interceptors` outlives this.
  void set_interceptors(CallInterceptors* interceptors) {
    call_ = interceptors;
  }
  void Prepare(const Sent& sent, const Received& received);

  /// Shows every interceptor the hooks `pre`, then the hijacker, where there is
  /// one, `hijacked`; then calls `done`, on the thread that went on last. No
  /// use of this follows `done`.
  void RunDown(HookSet pre, HookSet hijacked, std::function<void()> done);
  void RunUp(HookSet post, std::function<void()> done);
  /// The same for a thread that waits.
  void RunDownAndWait(HookSet pre, HookSet hijacked = 0);
  void RunUpAndWait(HookSet post);

  /// TryCancel's own hook.
  void ShowCancel(experimental::Interceptor* interceptor);

  /// After RunDown: what to send, by now.
  OutMessage message() const;
  Sent& sent() { return sent_; }
  Received& received() { return received_; }

  bool QueryInterceptionHookPoint(HookPoint type) override { return Has(type); }
  void Proceed() override;
  void Hijack() override;
  ByteBuffer* GetSerializedSendMessage() override;
  const void* GetSendMessage() override;
  void ModifySendMessage(const void* message) override;
  bool GetSendMessageStatus() override { return sent_.ok; }
  SendMetadata* GetSendInitialMetadata() override;
  Status GetSendStatus() override;
  void ModifySendStatus(const Status& status) override;
  SendMetadata* GetSendTrailingMetadata() override;
  void* GetRecvMessage() override;
  MetadataMap* GetRecvInitialMetadata() override;
  Status* GetRecvStatus() override;
  MetadataMap* GetRecvTrailingMetadata() override;
  std::unique_ptr<ChannelInterface> GetInterceptedChannel() override;
  void FailHijackedRecvMessage() override { received_.ok = false; }
  void FailHijackedSendMessage() override { sent_.ok = false; }

 private:
  bool Has(HookPoint point) const { return (hooks_ & Hook(point)) != 0; }
  void Show(size_t position);
  /// The hijacker's turn to answer, once; then the end of the way down.
  void OfferToHijacker();
  void Finish();

  CallInterceptors* call_ = nullptr;
  Sent sent_;
  Received received_;
  bool serialized_ = false;
  ByteBuffer bytes_;  ///< Once serialized_.

  HookSet hooks_ = 0;  ///< Of the interceptor that is shown them.
  HookSet hijacked_hooks_ = 0;
  bool down_ = true;
  bool offered_ = false;
  size_t position_ = 0;
  std::function<void()> done_;
};

/// Runs what it is given one after the other; the way down of what is sent may
/// be long, and nothing that is sent later may overtake it.
class Turns {
 public:
  /// Runs `begin` now, or when its turn comes.
  void Take(std::function<void()> begin);
  /// The one that has the turn is over.
  void Pass();

 private:
  Mutex mu_;
  bool taken_ ABSL_GUARDED_BY(mu_) = false;
  Fifo<std::function<void()>> waiting_ ABSL_GUARDED_BY(mu_);
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_INTERCEPTOR_BATCH_H_
