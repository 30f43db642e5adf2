#include "runtime/death_watcher.h"

#include <array>
#include <system_error>
#include <thread>

#include "runtime/epoll_waiter.h"
#include "runtime/per_process.h"

namespace nearcall::internal {

namespace {
constinit PerProcess<DeathWatcher> process;
}  // namespace

DeathWatcher& DeathWatcher::Process() { return process.Get(); }

void DeathWatcher::StartLocked() {
  absl::StatusOr<std::unique_ptr<EpollWaiter>> waiter = EpollWaiter::Create();
  if (!waiter.ok()) return;
  waiter_ = *std::move(waiter);
  try {
    std::thread([this] { Run(); }).detach();
  } catch (const std::system_error&) {
    waiter_.reset();
  }
}

void DeathWatcher::Watch(const std::shared_ptr<ClientSession>& session) {
  if (session->link().DeathFd().fd < 0) return;
  {
    MutexLock lock(&mu_);
    if (waiter_ == nullptr) StartLocked();
    if (waiter_ == nullptr) return;
    watched_[session.get()] = session;
  }
  waiter_->AddDeath(&session->link(), session.get());
}

void DeathWatcher::Forget(ClientSession* session) {
  {
    MutexLock lock(&mu_);
    if (watched_.erase(session) == 0) return;
  }
  waiter_->Remove(&session->link());
}

void DeathWatcher::Run() {
  std::array<void*, 16> ready;
  for (;;) {
    const size_t count = waiter_->Wait(Deadline::Never(), ready);
    for (size_t i = 0; i < count; ++i) {
      // Only a key until it is found: the session may be gone.
      std::shared_ptr<ClientSession> session;
      {
        MutexLock lock(&mu_);
        const auto found = watched_.find(static_cast<ClientSession*>(ready[i]));
        if (found != watched_.end()) session = found->second.lock();
      }
      if (session != nullptr) session->OnDeathSeen();
    }
  }
}

}  // namespace nearcall::internal
