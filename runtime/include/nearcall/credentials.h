// Credentials as gRPC spells them. On a local link the kernel says who the peer
// is (the transport's own check), so that these only select what is allowed.
#ifndef NEARCALL_CREDENTIALS_H_
#define NEARCALL_CREDENTIALS_H_

#include <memory>

namespace nearcall {

class ChannelCredentials {
 public:
  virtual ~ChannelCredentials() = default;
};

class ServerCredentials {
 public:
  virtual ~ServerCredentials() = default;
};

/// No encryption: what a link inside one machine needs.
std::shared_ptr<ChannelCredentials> InsecureChannelCredentials();
std::shared_ptr<ServerCredentials> InsecureServerCredentials();

}  // namespace nearcall

#endif  // NEARCALL_CREDENTIALS_H_
