#include "runtime/interceptor_batch.h"

#include <nearcall/channel_interface.h>

#include <cstdio>
#include <utility>

#include "runtime/buffer_message.h"
#include "runtime/lend.h"
#include "runtime/metadata.h"

namespace nearcall::internal {
namespace {

/// A thread's wait for the end of a way through the interceptors.
class Arrival {
 public:
  void Set() {
    MutexLock lock(&mu_);
    set_ = true;
    changed_.SignalAll();
  }
  void Wait() {
    MutexLock lock(&mu_);
    if (set_) return;
    mu_.Unlock();
    AboutToBlock();
    mu_.Lock();
    while (!set_) changed_.Wait(&mu_);
  }

 private:
  Mutex mu_;
  CondVar changed_;
  bool set_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace

SendMetadata ReadBlock(const MetadataBlock& block) {
  SendMetadata metadata;
  ForEachMetadata(block.bytes(),
                  [&metadata](std::string_view key, std::string_view value) {
                    metadata.emplace(key, value);
                  });
  return metadata;
}

void WriteBlock(const SendMetadata& metadata, MetadataBlock* block) {
  block->clear();
  for (const auto& [key, value] : metadata) block->Add(key, value);
}

void CallInterceptors::Cancel() {
  for (const Entry& entry : entries) {
    InterceptorBatch batch;
    batch.set_interceptors(this);
    batch.ShowCancel(entry.interceptor.get());
  }
}

void InterceptorBatch::ShowCancel(experimental::Interceptor* interceptor) {
  hooks_ = Hook(HookPoint::PRE_SEND_CANCEL);
  interceptor->Intercept(this);
}

// --- The way ---

void InterceptorBatch::Prepare(const Sent& sent, const Received& received) {
  sent_ = sent;
  received_ = received;
  serialized_ = false;
  bytes_.Clear();
}

void InterceptorBatch::RunDown(HookSet pre, HookSet hijacked,
                               std::function<void()> done) {
  done_ = std::move(done);
  hijacked_hooks_ = hijacked;
  down_ = true;
  offered_ = false;
  hooks_ = pre;
  if (pre != 0 && !call_->entries.empty()) {
    Show(0);
  } else {
    OfferToHijacker();
  }
}

void InterceptorBatch::RunUp(HookSet post, std::function<void()> done) {
  done_ = std::move(done);
  down_ = false;
  hooks_ = post;
  // What was sent is no longer ours to show.
  sent_.message = {};
  sent_.initial_metadata = sent_.trailing_metadata = nullptr;
  sent_.status = nullptr;
  if (post == 0 || call_->entries.empty()) {
    Finish();
    return;
  }
  Show(call_->hijacker != CallInterceptors::kNobody
           ? call_->hijacker
           : call_->entries.size() - 1);
}

void InterceptorBatch::RunDownAndWait(HookSet pre, HookSet hijacked) {
  Arrival arrival;
  RunDown(pre, hijacked, [&arrival] { arrival.Set(); });
  arrival.Wait();
}

void InterceptorBatch::RunUpAndWait(HookSet post) {
  Arrival arrival;
  RunUp(post, [&arrival] { arrival.Set(); });
  arrival.Wait();
}

void InterceptorBatch::Show(size_t position) {
  position_ = position;
  call_->entries[position].interceptor->Intercept(this);
}

void InterceptorBatch::Finish() {
  const std::function<void()> done = std::move(done_);
  done();
}

void InterceptorBatch::OfferToHijacker() {
  if (call_->hijacker == CallInterceptors::kNobody || hijacked_hooks_ == 0 ||
      std::exchange(offered_, true)) {
    Finish();
    return;
  }
  hooks_ = hijacked_hooks_;
  Show(call_->hijacker);
}

void InterceptorBatch::Proceed() {
  if (Has(HookPoint::PRE_SEND_CANCEL)) return;
  if (!down_) {
    if (position_ == 0) {
      Finish();
    } else {
      Show(position_ - 1);
    }
  } else if (position_ == call_->hijacker) {
    OfferToHijacker();
  } else if (position_ + 1 < call_->entries.size()) {
    Show(position_ + 1);
  } else {
    Finish();
  }
}

void InterceptorBatch::Hijack() {
  if (call_->channel == nullptr || !Has(HookPoint::PRE_SEND_INITIAL_METADATA)) {
    std::fprintf(stderr,
                 "nearcall: Hijack() outside of a client's "
                 "PRE_SEND_INITIAL_METADATA: the call goes on\n");
    Proceed();
    return;
  }
  call_->hijacker = position_;
  OfferToHijacker();
}

// --- What the hooks see ---

OutMessage InterceptorBatch::message() const {
  return serialized_ ? MessageTraits<ByteBuffer>::Out(bytes_) : sent_.message;
}

ByteBuffer* InterceptorBatch::GetSerializedSendMessage() {
  if (!Has(HookPoint::PRE_SEND_MESSAGE)) return nullptr;
  if (!serialized_) {
    Buffer buffer;
    SerializeTo(sent_.message, &buffer);
    const size_t size = buffer.size();
    const Slice slice(std::move(buffer), 0, size);
    bytes_ = ByteBuffer(&slice, 1);
    serialized_ = true;
  }
  return &bytes_;
}

const void* InterceptorBatch::GetSendMessage() {
  if (!Has(HookPoint::PRE_SEND_MESSAGE) || serialized_) return nullptr;
  return sent_.message.message;
}

void InterceptorBatch::ModifySendMessage(const void* message) {
  if (!Has(HookPoint::PRE_SEND_MESSAGE)) return;
  sent_.message.message = message;
  serialized_ = false;
  bytes_.Clear();
}

SendMetadata* InterceptorBatch::GetSendInitialMetadata() {
  return Has(HookPoint::PRE_SEND_INITIAL_METADATA) ? sent_.initial_metadata
                                                   : nullptr;
}

Status InterceptorBatch::GetSendStatus() {
  return sent_.status == nullptr ? Status() : *sent_.status;
}

void InterceptorBatch::ModifySendStatus(const Status& status) {
  if (sent_.status != nullptr) *sent_.status = status;
}

SendMetadata* InterceptorBatch::GetSendTrailingMetadata() {
  return Has(HookPoint::PRE_SEND_STATUS) ? sent_.trailing_metadata : nullptr;
}

void* InterceptorBatch::GetRecvMessage() {
  return Has(HookPoint::PRE_RECV_MESSAGE) || Has(HookPoint::POST_RECV_MESSAGE)
             ? received_.message
             : nullptr;
}

MetadataMap* InterceptorBatch::GetRecvInitialMetadata() {
  return Has(HookPoint::PRE_RECV_INITIAL_METADATA) ||
                 Has(HookPoint::POST_RECV_INITIAL_METADATA)
             ? received_.initial_metadata
             : nullptr;
}

Status* InterceptorBatch::GetRecvStatus() {
  return Has(HookPoint::PRE_RECV_STATUS) || Has(HookPoint::POST_RECV_STATUS)
             ? received_.status
             : nullptr;
}

MetadataMap* InterceptorBatch::GetRecvTrailingMetadata() {
  return Has(HookPoint::PRE_RECV_STATUS) || Has(HookPoint::POST_RECV_STATUS)
             ? received_.trailing_metadata
             : nullptr;
}

std::unique_ptr<ChannelInterface> InterceptorBatch::GetInterceptedChannel() {
  if (call_->channel == nullptr || Has(HookPoint::PRE_SEND_CANCEL)) {
    return nullptr;
  }
  return MakeChannelPast(call_->channel,
                         call_->entries[position_].next_factory);
}

// --- Turns ---

void Turns::Take(std::function<void()> begin) {
  {
    MutexLock lock(&mu_);
    if (std::exchange(taken_, true)) {
      waiting_.push(std::move(begin));
      return;
    }
  }
  begin();
}

void Turns::Pass() {
  std::function<void()> next;
  {
    MutexLock lock(&mu_);
    if (waiting_.empty()) {
      taken_ = false;
      return;
    }
    next = waiting_.pop();
  }
  next();
}

}  // namespace nearcall::internal
