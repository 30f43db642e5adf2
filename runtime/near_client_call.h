// A call over a session, as the client's surfaces drive it.
#ifndef NEARCALL_RUNTIME_NEAR_CLIENT_CALL_H_
#define NEARCALL_RUNTIME_NEAR_CLIENT_CALL_H_

#include <nearcall/client_context.h>
#include <nearcall/impl/client_call.h>
#include <nearcall/impl/rpc_method.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/call.h"
#include "runtime/client_session.h"
#include "runtime/deadline.h"
#include "runtime/op_table.h"

namespace nearcall::internal {

class NearChannel;
struct MethodConfig;

class NearClientCall final : public ClientCall,
                             public Call,
                             private OpTable::Owner {
 public:
  /// From a small cache of the thread's where there is one.
  static RefPtr<NearClientCall> Make(std::shared_ptr<NearChannel> channel,
                                     const RpcMethod& method,
                                     ClientContext* context, OpSink* sink);

  void Start(OutMessage message, bool half_close, bool corked) override;
  void Write(OutMessage message, WriteOptions options) override;
  void WritesDone() override;
  void ReadInitialMetadata() override;
  void Read(InMessage into) override;
  void Finish(Status* status, InMessage reply) override;
  bool Wait(Op op) override;
  Status Unary(OutMessage request, InMessage response) override;
  bool Retry(OutMessage request) override;
  void Cancel() override;
  bool NextMessageSize(uint32_t* size) override;
  std::string_view initial_metadata() const override { return initial_block_; }
  std::string_view trailing_metadata() const override {
    return trailing_block_;
  }
  std::string peer() const override;
  PeerCredentials peer_credentials() const override;
  bool maybe_sent() const override { return opened_ && !refused_; }

  OpTable& ops() { return ops_; }
  bool cancel_requested() const { return cancel_requested_.load(); }
  /// On the monotonic clock; worked out when a wait first needs it.
  Deadline deadline();
  bool wait_for_ready() const;

 private:
  friend class ClientSession;
  friend class NearClientCallCache;

  NearClientCall();
  ~NearClientCall() override;
  void OnUnreferenced() override;

  void RefCall() override { Ref(); }
  void UnrefCall() override { Unref(); }
  void RefOwner() override { Ref(); }
  void UnrefOwner() override { Unref(); }
  bool Settle(Op op, bool ok) override;

  int64_t PrologueSize(Session* session) override;
  wire::Header WritePrologue(uint8_t* body) override;
  int64_t EpilogueSize() override;
  wire::Header WriteEpilogue(uint8_t* body) override;
  bool TakeHalfClose() override;
  void OnProgress() override;
  void OnReset(StatusCode code, std::string_view text, bool refused) override;
  void OnTooLarge(uint32_t size) override;

  // With the session's mutex held.
  size_t OpenSize() const;
  /// Writes what precedes the message and gives the header; takes the id.
  wire::Header WriteOpen(uint8_t* body, uint8_t** message);
  void OnInitialMetadata(Buffer* body, std::string_view block);
  void OnStatus(const wire::Header& header, Buffer* body,
                const wire::StatusBody& parsed);
  void SetFinal(StatusCode code, std::string_view text,
                std::string_view details);
  void DropUnread();

  /// Attaches on an executor thread; operations begun meanwhile wait.
  struct AttachTask final : Executor::Task {
    NearClientCall* call = nullptr;
    Buffer message;  ///< Serialized: the caller's may be gone by then.
    bool has_message = false;
    bool half_close = false;
    bool corked = false;
    void Run() override;
  } attach_task_;
  void WriteNow(OutMessage message, WriteOptions options);
  void WritesDoneNow();
  void ReadInitialMetadataNow();
  void ReadNow(InMessage into);
  void FinishNow(Status* status, InMessage reply);
  void ParseReply();
  /// True: the operation runs once the call is attached.
  bool Defer(std::function<void()> operation);

  /// False: the call has ended (its mistake, deadline or cancellation).
  bool Prepare();
  void ApplyLimits(const MethodConfig& config);
  /// Finds a session and starts on it. False: the call has ended.
  bool Attach(OutMessage message, bool half_close, bool corked);
  void EndUnattached(StatusCode code, std::string text);
  /// Of a call that has ended there.
  void LeaveSession();
  /// True: no handler saw the call, which is as if it had not been started.
  bool PrepareRetry();
  bool WaitByPolicy();
  /// An operation of a call that ended without a session.
  void CompleteUnattached(Op op, bool ok);
  Status FinalStatus() const;

  std::shared_ptr<NearChannel> channel_;
  std::shared_ptr<ClientSession> session_;  ///< Set before session_seen_.
  /// Cancel's view of it, which it looks at and uses under cancel_mu_.
  std::atomic<ClientSession*> session_seen_{nullptr};
  Mutex cancel_mu_;
  std::atomic<bool> cancel_requested_{false};
  ClientContext* context_ = nullptr;
  const MethodConfig* config_ = nullptr;  ///< The channel's; null: none.
  int attempts_ = 0;                      ///< That failed, by its policy.
  MetadataBlock retry_metadata_;          ///< Of later attempts.
  const char* path_ = nullptr;
  uint32_t tag_ = 0;
  OpTable ops_;
  std::atomic<bool> attaching_{false};
  Mutex unattached_mu_;
  std::vector<std::function<void()>> deferred_ ABSL_GUARDED_BY(unattached_mu_);

  // What the wire will say.
  uint64_t timeout_ns_ = 0;  ///< 0: none.
  bool define_alias_ = false;
  bool half_close_ = false;       ///< Asked for,
  bool half_close_sent_ = false;  ///< and done.
  std::string_view metadata_;
  Deadline deadline_;
  bool has_monotonic_deadline_ = false;
  int max_send_ = -1;
  Buffering buffering_;
  bool client_streams_ = false;
  bool server_streams_ = false;

  // What came.
  bool opened_ = false;   ///< A frame of it was committed.
  bool refused_ = false;  ///< The server says no handler saw it.
  bool retried_ = false;
  bool initial_here_ = false;
  bool final_ = false;
  bool draining_ = false;  ///< Messages that come are dropped.
  StatusCode code_ = StatusCode::OK;
  std::string text_;
  std::string details_;
  Buffer initial_frame_;
  Buffer status_frame_;
  Buffer spare_;
  std::string_view initial_block_;
  std::string_view trailing_block_;
  Buffer message_;  ///< Taken by a kRead that is not settled yet.
  InMessage into_;
  InMessage reply_into_;
  Status* status_ = nullptr;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_NEAR_CLIENT_CALL_H_
