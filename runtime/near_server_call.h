// A call over a session, as handlers and reactors drive it.
#ifndef NEARCALL_RUNTIME_NEAR_SERVER_CALL_H_
#define NEARCALL_RUNTIME_NEAR_SERVER_CALL_H_

#include <nearcall/impl/metadata.h>
#include <nearcall/impl/server_call.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/call.h"
#include "runtime/deadline.h"
#include "runtime/method_table.h"
#include "runtime/op_table.h"
#include "runtime/server_session.h"

namespace nearcall::internal {

class NearServerCall final : public ServerCall,
                             public Call,
                             public Executor::Task,
                             private OpTable::Owner {
 public:
  /// From the session's cache where there is one.
  static RefPtr<NearServerCall> Make(std::shared_ptr<ServerSession> session);

  // ServerCall
  void SetSink(ServerCallSink* sink) override;
  void CancelWith(ClientCallPtr child) override;
  void SendInitialMetadata() override;
  void Read(InMessage into) override;
  void Write(OutMessage message, WriteOptions options) override;
  void Finish(const Status& status, OutMessage message) override;
  bool Wait(Op op) override;
  bool NextMessageSize(uint32_t* size) override;
  Status ReadRequest(InMessage into) override;
  bool IsCancelled() override;
  void Cancel() override;
  std::string_view client_metadata() const override { return metadata_; }
  MetadataBlock* initial_metadata() override { return &initial_out_; }
  MetadataBlock* trailing_metadata() override { return &trailing_out_; }
  std::string_view path() const override {
    return path_.empty() ? method_->path : path_;
  }
  std::string_view host() const override { return "localhost"; }
  std::string_view user_agent() const override;
  std::string_view transport() const override;
  std::string peer() const override;
  PeerCredentials peer_credentials() const override;
  std::chrono::system_clock::time_point deadline() const override;

  ServedMethod* method() const { return method_; }
  size_t request_size() const {
    return request_.data() != nullptr ? request_.size() : message_size_;
  }
  /// Runs the handler, which may run on for as long as it likes.
  static void RunHandler(RefPtr<NearServerCall> call) {
    MethodHandler* const handler = call->method_->handler;
    handler->Run(std::move(call));
  }
  /// The same on an executor thread, measured.
  void Run() override;

 private:
  friend class ServerSession;

  NearServerCall();
  ~NearServerCall() override;
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
  bool TakeHalfClose() override { return false; }
  void OnProgress() override;
  void OnReset(StatusCode code, std::string_view text, bool refused) override;
  void OnTooLarge(uint32_t size) override;

  // With the session's mutex held.
  /// Takes the call over from its kOpen frame, which `body` is.
  void Begin(const wire::Header& header, ServedMethod* method,
             std::string_view path, Buffer* body, const wire::Open& open);
  /// Ends it from this side and tells the client.
  void CancelLocked(StatusCode code, std::string_view text);
  /// No thread will run the handler.
  void RefuseBusy();
  /// Ends the call if its initial metadata cannot be sent.
  void CheckInitialMetadata();
  void SetStatus(const Status& status, size_t reply_size);
  size_t StatusSize() const;
  wire::Header WriteStatus(uint8_t* body, uint8_t** message);
  /// Reply and status as one frame, if they fit and nothing is before them.
  bool WriteWholeReply(const OutMessage& message, size_t size);
  void BecomeCancelled();
  void NotifyCancel();

  std::shared_ptr<ServerSession> session_;
  OpTable ops_;
  ServerCallSink* sink_ = nullptr;
  struct CancelNotice final : Executor::Task {
    NearServerCall* call = nullptr;
    void Run() override;
  } cancel_notice_;
  /// Cancels what calls were made on this one's behalf: not under this
  /// session's mutex, since they take their own's.
  struct ChildrenNotice final : Executor::Task {
    NearServerCall* call = nullptr;
    void Run() override;
  } children_notice_;
  std::vector<ClientCallPtr> children_;
  bool cancel_notice_due_ = false;

  ServedMethod* method_ = nullptr;
  std::string path_;         ///< Where the method has none of its own.
  bool dispatched_ = false;  ///< Its handler was, or is about to be, run.
  Buffer open_frame_;
  std::string_view request_;  ///< In open_frame_, when it was whole there.
  std::string_view metadata_;
  Deadline deadline_;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> told_expired_{false};  ///< The handler knows of it.

  MetadataBlock initial_out_;
  MetadataBlock trailing_out_;
  bool send_initial_ = false;  ///< Asked for,
  bool initial_sent_ = false;  ///< and done.
  bool finishing_ = false;     ///< The status is known,
  bool status_sent_ = false;   ///< and written.
  StatusCode code_ = StatusCode::OK;
  std::string text_;
  std::string details_;
  Buffer message_;  ///< Taken by a kRead that is not settled yet.
  InMessage into_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_NEAR_SERVER_CALL_H_
