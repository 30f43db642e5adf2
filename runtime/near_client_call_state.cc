// The part of NearClientCall that its session drives, with the session's mutex
// held: what goes on the wire, what comes, how operations end.
#include <nearcall/impl/context_access.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/near_client_call.h"
#include "runtime/wire.h"

namespace nearcall::internal {

size_t NearClientCall::OpenSize() const {
  return 1 + (timeout_ns_ != 0 ? sizeof(uint64_t) : 0) +
         (define_alias_ ? sizeof(uint16_t) + std::strlen(path_) : 0) +
         (metadata_.empty() ? 0 : sizeof(uint32_t) + metadata_.size());
}

wire::Header NearClientCall::WriteOpen(uint8_t* body, uint8_t** message) {
  session_->mu.AssertHeld();
  const bool has_alias = tag_ <= wire::kMaxAliases;
  id_ = session_->NextIdLocked();
  session_->InsertLocked(this);
  opened_ = true;
  wire::Header header{wire::Type::kOpen, 0,
                      has_alias ? static_cast<uint16_t>(tag_) : wire::kNoAlias,
                      id_};
  wire::Writer to(body);
  to.Number(
      static_cast<uint8_t>((rendezvous_out_ ? wire::kRendezvousToServer : 0) |
                           (rendezvous_in_ ? wire::kRendezvousToClient : 0)));
  if (timeout_ns_ != 0) {
    header.flags |= wire::kOpenTimeout;
    to.Number(timeout_ns_);
  }
  if (define_alias_) {
    header.flags |= wire::kOpenPath;
    const std::string_view path(path_);
    to.Number(static_cast<uint16_t>(path.size()));
    to.Bytes(path);
    if (has_alias) session_->DefineAliasLocked(tag_);
  }
  if (!metadata_.empty()) {
    header.flags |= wire::kMetadata;
    to.Number(static_cast<uint32_t>(metadata_.size()));
    to.Bytes(metadata_);
  }
  *message = to.at();
  return header;
}

int64_t NearClientCall::PrologueSize(Session* session) {
  session->mu.AssertHeld();
  if (id_ != 0) return kNone;
  if (!static_cast<ClientSession*>(session)->SlotFreeLocked(this)) {
    return kNoSlot;
  }
  return static_cast<int64_t>(OpenSize());
}

wire::Header NearClientCall::WritePrologue(uint8_t* body) {
  uint8_t* end;
  wire::Header header = WriteOpen(body, &end);
  // Nothing will follow: the half-close needs no frame of its own.
  if (half_close_ && out_.empty()) {
    header.flags |= wire::kEnd;
    half_close_sent_ = true;
  }
  return header;
}

int64_t NearClientCall::EpilogueSize() {
  return half_close_ && !half_close_sent_ ? 0 : kNone;
}

wire::Header NearClientCall::WriteEpilogue(uint8_t*) {
  half_close_sent_ = true;
  return {wire::Type::kData, wire::kEnd, 0, id_};
}

bool NearClientCall::TakeHalfClose() {
  if (!half_close_ || half_close_sent_) return false;
  half_close_sent_ = true;
  return true;
}

void NearClientCall::OnInitialMetadata(Buffer* body, std::string_view block) {
  initial_here_ = true;
  initial_frame_.swap(*body);
  initial_block_ = block;
  OnProgress();
}

void NearClientCall::OnStatus(const wire::Header& header, Buffer* body,
                              const wire::StatusBody& parsed) {
  session_->mu.AssertHeld();
  const bool only_message = (header.flags & wire::kMessage) != 0 &&
                            parsed.message.size() == body->size();
  if (header.flags & wire::kMessage) {
    if (parsed.message.size() > max_receive_) {
      OnTooLarge(static_cast<uint32_t>(parsed.message.size()));
      return;
    }
    Buffer message = std::move(message_);
    if (only_message) {
      message.swap(*body);
    } else {
      message.assign(parsed.message.data(), parsed.message.size());
    }
    in_.push(std::move(message));
  }
  if (!only_message) {
    // The views of the metadata need their bytes.
    status_frame_.swap(*body);
    if (header.flags & wire::kStatusInitial) {
      initial_block_ = parsed.initial_metadata;
    }
    trailing_block_ = parsed.trailing_metadata;
  } else if (body->capacity() == 0) {
    body->swap(spare_);
  }
  const bool trailers_only = !initial_here_ && in_.empty() &&
                             (header.flags & wire::kStatusInitial) == 0;
  initial_here_ = !trailers_only;
  in_end_ = true;
  SetFinal(header.code <= UNAUTHENTICATED ? static_cast<StatusCode>(header.code)
                                          : UNKNOWN,
           parsed.text, parsed.details);
  session_->EndLocked(this);
  OnProgress();
}

void NearClientCall::SetFinal(StatusCode code, std::string_view text,
                              std::string_view details) {
  if (final_) return;
  final_ = true;
  code_ = code;
  if (!text.empty()) text_.assign(text);
  if (!details.empty()) details_.assign(details);
}

void NearClientCall::DropUnread() {
  in_.clear();
  unread_ = 0;
}

void NearClientCall::OnProgress() {
  // A server that has none to send sends no frame for it.
  if (has_message()) initial_here_ = true;
  if (ops_.pending(Op::kInitialMetadata) && (initial_here_ || final_)) {
    ops_.Complete(Op::kInitialMetadata, initial_here_);
  }
  if (ops_.pending(Op::kRead)) {
    if (has_message()) {
      message_ = TakeMessage(session_.get());
      wants_message_ = false;
      ops_.Complete(Op::kRead, true);
    } else if (final_ || in_end_) {
      ops_.Complete(Op::kRead, false);
    }
  }
  if (ops_.pending(Op::kWrite) && (final_ || written())) {
    ops_.Complete(Op::kWrite, !final_);
  }
  const bool done = half_close_sent_ || unbounded_limit_ != 0;
  if (ops_.pending(Op::kWritesDone) && (final_ || done)) {
    ops_.Complete(Op::kWritesDone, !final_ || half_close_sent_);
  }
  if (ops_.pending(Op::kFinish)) {
    if (final_) {
      ops_.Complete(Op::kFinish, true);
    } else if (draining_) {
      while (has_message()) TakeMessage(session_.get());
      Want(session_.get());
    }
  }
}

void NearClientCall::OnReset(StatusCode code, std::string_view text,
                             bool refused) {
  session_->mu.AssertHeld();
  Ref();
  refused_ = refused;
  DropUnread();
  SetFinal(code, text, {});
  session_->EndLocked(this);
  OnProgress();
  Unref();
}

void NearClientCall::OnTooLarge(uint32_t size) {
  session_->mu.AssertHeld();
  Ref();
  const std::string text = absl::StrCat("Received message larger than max (",
                                        size, " vs. ", max_receive_, ")");
  DropUnread();
  EndWithReset(session_.get(), RESOURCE_EXHAUSTED, text);
  SetFinal(RESOURCE_EXHAUSTED, text, {});
  OnProgress();
  session_->PumpLocked();
  Unref();
}

}  // namespace nearcall::internal
