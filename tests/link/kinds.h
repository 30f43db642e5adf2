// Every kind of Link that the conformance suite runs over. A new transport
// costs one line in kinds.cc.
#ifndef NEARCALL_TESTS_LINK_KINDS_H_
#define NEARCALL_TESTS_LINK_KINDS_H_

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "runtime/link.h"
#include "runtime/waiter.h"
#include "tests/support/child_process.h"

namespace nearcall::internal {

/// Two ends of one connection in this process. `keep` owns what must outlive
/// them (a listener, a directory).
struct LinkPair {
  std::shared_ptr<void> keep;
  Waiter* waiter = nullptr;  ///< The listener's own, which serves b.
  std::unique_ptr<Link> a;
  std::unique_ptr<Link> b;
};

/// One end here, the other in a child process.
struct LinkToChild {
  std::shared_ptr<void> keep;
  std::unique_ptr<Link> link;
  ChildProcess child;
};

using ChildBody = std::function<void(std::unique_ptr<Link> link)>;

struct LinkKind {
  std::string name;  ///< Letters, digits and _: part of the test's name.
  std::function<LinkPair()> make_pair;
  /// Null when the kind never leaves the process. The child runs the body with
  /// its end and exits 0 afterwards.
  std::function<LinkToChild(ChildBody)> make_with_child;
  /// Divides the rounds of the long tests, for decorators that are slow.
  int slowness = 1;
};

/// A registered scheme, through its listener and dialer. `target` must be
/// usable again once the pair is gone.
LinkKind SchemeKind(std::string name, std::string target, int slowness = 1);

const std::vector<LinkKind>& LinkKinds();

inline void PrintTo(const LinkKind& kind, std::ostream* out) {
  *out << kind.name;
}

}  // namespace nearcall::internal

#endif  // NEARCALL_TESTS_LINK_KINDS_H_
