// Streams as blocking objects, on both sides: gRPC's names and shapes.
#ifndef NEARCALL_SYNC_STREAM_H_
#define NEARCALL_SYNC_STREAM_H_

#include <nearcall/channel_interface.h>
#include <nearcall/client_context.h>
#include <nearcall/impl/client_call.h>
#include <nearcall/impl/context_access.h>
#include <nearcall/impl/message.h>
#include <nearcall/impl/rpc_method.h>
#include <nearcall/impl/server_call.h>
#include <nearcall/status.h>
#include <nearcall/write_options.h>

#include <cstdint>

namespace nearcall {

namespace internal {
template <typename R>
class ClientReaderFactory;
template <typename W>
class ClientWriterFactory;
template <typename W, typename R>
class ClientReaderWriterFactory;

class ClientStreamingInterface {
 public:
  virtual ~ClientStreamingInterface() = default;
  /// Blocks until the call has ended; messages not read are dropped. Once.
  virtual Status Finish() = 0;
};

class ServerStreamingInterface {
 public:
  virtual ~ServerStreamingInterface() = default;
  /// Blocks until the initial metadata is on its way. At most once, and before
  /// the first Write; without it the metadata goes with the first Write.
  virtual void SendInitialMetadata() = 0;
};

template <typename R>
class ReaderInterface {
 public:
  virtual ~ReaderInterface() = default;
  /// An upper bound on the size of the next message; blocks until it is known.
  /// False: there is none.
  virtual bool NextMessageSize(uint32_t* size) = 0;
  /// Blocks for the next message. False: there are no more, now and for ever.
  /// One thread at a time; another may write.
  virtual bool Read(R* message) = 0;
};

template <typename W>
class WriterInterface {
 public:
  virtual ~WriterInterface() = default;
  /// Blocks as the stream's buffering says. False: the call has ended, see
  /// Finish. One thread at a time; another may read.
  virtual bool Write(const W& message, WriteOptions options) = 0;
  bool Write(const W& message) { return Write(message, WriteOptions()); }
  /// Write and WritesDone in one (server: may be held back until the status).
  void WriteLast(const W& message, WriteOptions options) {
    Write(message, options.set_last_message());
  }
};
}  // namespace internal

template <typename R>
class ClientReaderInterface : public internal::ClientStreamingInterface,
                              public internal::ReaderInterface<R> {
 public:
  /// Blocks until the server's initial metadata is here.
  virtual void WaitForInitialMetadata() = 0;
};

template <typename W>
class ClientWriterInterface : public internal::ClientStreamingInterface,
                              public internal::WriterInterface<W> {
 public:
  /// No more messages will follow. False: the call has ended.
  virtual bool WritesDone() = 0;
};

template <typename W, typename R>
class ClientReaderWriterInterface : public internal::ClientStreamingInterface,
                                    public internal::WriterInterface<W>,
                                    public internal::ReaderInterface<R> {
 public:
  virtual void WaitForInitialMetadata() = 0;
  virtual bool WritesDone() = 0;
};

namespace internal {

/// What the three client streams share; a stream that is destroyed without
/// Finish is cancelled.
class ClientStream {
 public:
  ClientStream(ChannelInterface* channel, const RpcMethod& method,
               ClientContext* context)
      : call_(channel->NewCall(method, context, nullptr)),
        corked_(ClientContextAccess::corked(*context)) {}
  ~ClientStream() {
    if (!finished_) call_->Cancel();
  }

  ClientCall* call() const { return call_.get(); }
  bool corked() const { return corked_; }

  void WaitForInitialMetadata() {
    call_->ReadInitialMetadata();
    call_->Wait(Op::kInitialMetadata);
  }
  template <typename R>
  bool Read(R* message) {
    if (reads_ended_) return false;
    call_->Read(MessageTraits<R>::In(message));
    if (call_->Wait(Op::kRead)) return true;
    reads_ended_ = true;
    return false;
  }
  template <typename W>
  bool Write(const W& message, WriteOptions options) {
    call_->Write(MessageTraits<W>::Out(message), options);
    return call_->Wait(Op::kWrite);
  }
  bool WritesDone() {
    call_->WritesDone();
    return call_->Wait(Op::kWritesDone);
  }
  Status Finish(InMessage reply = {}) {
    Status status;
    call_->Finish(&status, reply);
    call_->Wait(Op::kFinish);
    finished_ = true;
    return status;
  }

 private:
  const ClientCallPtr call_;
  const bool corked_;
  bool reads_ended_ = false;
  bool finished_ = false;
};

}  // namespace internal

/// The client's end of a server stream.
template <typename R>
class ClientReader final : public ClientReaderInterface<R> {
 public:
  void WaitForInitialMetadata() override { stream_.WaitForInitialMetadata(); }
  bool NextMessageSize(uint32_t* size) override {
    return stream_.call()->NextMessageSize(size);
  }
  bool Read(R* message) override { return stream_.Read(message); }
  Status Finish() override { return stream_.Finish(); }

 private:
  friend class internal::ClientReaderFactory<R>;
  template <typename W>
  ClientReader(ChannelInterface* channel, const internal::RpcMethod& method,
               ClientContext* context, const W& request)
      : stream_(channel, method, context) {
    stream_.call()->Start(internal::MessageTraits<W>::Out(request),
                          /*half_close=*/true, /*corked=*/false);
  }
  internal::ClientStream stream_;
};

/// The client's end of a client stream.
template <typename W>
class ClientWriter final : public ClientWriterInterface<W> {
 public:
  using internal::WriterInterface<W>::Write;
  void WaitForInitialMetadata() { stream_.WaitForInitialMetadata(); }
  bool Write(const W& message, WriteOptions options) override {
    return stream_.Write(message, options);
  }
  bool WritesDone() override { return stream_.WritesDone(); }
  /// The reply is complete when the status is OK.
  Status Finish() override { return stream_.Finish(response_); }

 private:
  friend class internal::ClientWriterFactory<W>;
  template <typename R>
  ClientWriter(ChannelInterface* channel, const internal::RpcMethod& method,
               ClientContext* context, R* response)
      : stream_(channel, method, context),
        response_(internal::MessageTraits<R>::In(response)) {
    stream_.call()->Start({}, /*half_close=*/false, stream_.corked());
  }
  internal::ClientStream stream_;
  const internal::InMessage response_;
};

/// The client's end of a bidirectional stream.
template <typename W, typename R>
class ClientReaderWriter final : public ClientReaderWriterInterface<W, R> {
 public:
  using internal::WriterInterface<W>::Write;
  void WaitForInitialMetadata() override { stream_.WaitForInitialMetadata(); }
  bool NextMessageSize(uint32_t* size) override {
    return stream_.call()->NextMessageSize(size);
  }
  bool Read(R* message) override { return stream_.Read(message); }
  bool Write(const W& message, WriteOptions options) override {
    return stream_.Write(message, options);
  }
  bool WritesDone() override { return stream_.WritesDone(); }
  Status Finish() override { return stream_.Finish(); }

 private:
  friend class internal::ClientReaderWriterFactory<W, R>;
  ClientReaderWriter(ChannelInterface* channel,
                     const internal::RpcMethod& method, ClientContext* context)
      : stream_(channel, method, context) {
    stream_.call()->Start({}, /*half_close=*/false, stream_.corked());
  }
  internal::ClientStream stream_;
};

namespace internal {
template <typename R>
class ClientReaderFactory {
 public:
  template <typename W>
  static ClientReader<R>* Create(ChannelInterface* channel,
                                 const RpcMethod& method,
                                 ClientContext* context, const W& request) {
    return new ClientReader<R>(channel, method, context, request);
  }
};
template <typename W>
class ClientWriterFactory {
 public:
  template <typename R>
  static ClientWriter<W>* Create(ChannelInterface* channel,
                                 const RpcMethod& method,
                                 ClientContext* context, R* response) {
    return new ClientWriter<W>(channel, method, context, response);
  }
};
template <typename W, typename R>
class ClientReaderWriterFactory {
 public:
  static ClientReaderWriter<W, R>* Create(ChannelInterface* channel,
                                          const RpcMethod& method,
                                          ClientContext* context) {
    return new ClientReaderWriter<W, R>(channel, method, context);
  }
};

/// What the server's streams share. The call outlives them.
class ServerStream {
 public:
  explicit ServerStream(ServerCall* call) : call_(call) {}
  void SendInitialMetadata() {
    call_->SendInitialMetadata();
    call_->Wait(Op::kInitialMetadata);
  }
  bool NextMessageSize(uint32_t* size) { return call_->NextMessageSize(size); }
  template <typename R>
  bool Read(R* message) {
    call_->Read(MessageTraits<R>::In(message));
    return call_->Wait(Op::kRead);
  }
  template <typename W>
  bool Write(const W& message, WriteOptions options) {
    call_->Write(MessageTraits<W>::Out(message), options);
    return call_->Wait(Op::kWrite);
  }

 private:
  ServerCall* const call_;
};
}  // namespace internal

template <typename R>
class ServerReaderInterface : public internal::ServerStreamingInterface,
                              public internal::ReaderInterface<R> {};
template <typename W>
class ServerWriterInterface : public internal::ServerStreamingInterface,
                              public internal::WriterInterface<W> {};
template <typename W, typename R>
class ServerReaderWriterInterface : public internal::ServerStreamingInterface,
                                    public internal::WriterInterface<W>,
                                    public internal::ReaderInterface<R> {};

/// The server's end of a client stream.
template <typename R>
class ServerReader final : public ServerReaderInterface<R> {
 public:
  explicit ServerReader(internal::ServerCall* call) : stream_(call) {}
  void SendInitialMetadata() override { stream_.SendInitialMetadata(); }
  bool NextMessageSize(uint32_t* size) override {
    return stream_.NextMessageSize(size);
  }
  bool Read(R* message) override { return stream_.Read(message); }

 private:
  internal::ServerStream stream_;
};

/// The server's end of a server stream.
template <typename W>
class ServerWriter final : public ServerWriterInterface<W> {
 public:
  explicit ServerWriter(internal::ServerCall* call) : stream_(call) {}
  using internal::WriterInterface<W>::Write;
  void SendInitialMetadata() override { stream_.SendInitialMetadata(); }
  bool Write(const W& message, WriteOptions options) override {
    return stream_.Write(message, options);
  }

 private:
  internal::ServerStream stream_;
};

/// The server's end of a bidirectional stream.
template <typename W, typename R>
class ServerReaderWriter final : public ServerReaderWriterInterface<W, R> {
 public:
  explicit ServerReaderWriter(internal::ServerCall* call) : stream_(call) {}
  using internal::WriterInterface<W>::Write;
  void SendInitialMetadata() override { stream_.SendInitialMetadata(); }
  bool NextMessageSize(uint32_t* size) override {
    return stream_.NextMessageSize(size);
  }
  bool Read(R* message) override { return stream_.Read(message); }
  bool Write(const W& message, WriteOptions options) override {
    return stream_.Write(message, options);
  }

 private:
  internal::ServerStream stream_;
};

}  // namespace nearcall

#endif  // NEARCALL_SYNC_STREAM_H_
