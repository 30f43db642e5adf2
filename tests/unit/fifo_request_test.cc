// Requests in a FIFO that anybody of the same user may write into.
#include "transports/fifo_request.h"

#include <gtest/gtest.h>
#include <limits.h>

#include <random>
#include <string>
#include <vector>

namespace nearcall::internal {
namespace {

const char kToken[] = "0123456789abcdef0123456789abcdef";

std::string Request(const std::string& token = kToken,
                    int version = kFifoVersion) {
  return EncodeFifoRequest({version, token});
}

/// What a reader finds in `bytes`, taken in pieces of at most `piece` bytes.
std::vector<std::string> Found(const std::string& bytes,
                               size_t piece = kFifoRequestBytes) {
  FifoRequestReader reader;
  std::vector<std::string> tokens;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    if (const auto request = reader.Add(bytes.substr(at, piece))) {
      tokens.push_back(request->token);
    }
  }
  return tokens;
}

TEST(FifoRequest, IsAsTheWireSays) {
  EXPECT_EQ(Request(), "\nnearcall fifo 01 0123456789abcdef0123456789abcdef");
  EXPECT_EQ(Request().size(), kFifoRequestBytes);
  static_assert(kFifoRequestBytes <= PIPE_BUF);
  EXPECT_EQ(EncodeFifoAnswer(1), "nearcall fifo 01");
  EXPECT_EQ(DecodeFifoAnswer("nearcall fifo 37"), 37);
}

TEST(FifoRequest, TokensAreFreshAndPlain) {
  const std::string token = NewFifoToken();
  EXPECT_TRUE(IsFifoToken(token)) << token;
  EXPECT_NE(token, NewFifoToken());
}

TEST(FifoRequest, IsFoundInPiecesOfAnySize) {
  for (size_t piece = 1; piece <= kFifoRequestBytes; ++piece) {
    EXPECT_EQ(Found(Request() + Request() + Request(), piece).size(), 3u);
  }
}

TEST(FifoRequest, AnotherVersionIsARequestToo) {
  FifoRequestReader reader;
  const auto request = reader.Add(Request(kToken, 42));
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->version, 42);
}

TEST(FifoRequest, WhatIsNoneIsSkipped) {
  const std::string good = Request();
  std::vector<std::string> bad = {"",
                                  "\n",
                                  "\n\n\n\n",
                                  std::string(10'000, '\0'),
                                  std::string(10'000, 'x'),
                                  Request("../../../../../../../../etc/passwd"),
                                  Request("0123456789ABCDEF0123456789ABCDEF"),
                                  Request(std::string(kFifoTokenBytes, '/')),
                                  Request(std::string(kFifoTokenBytes, '.')),
                                  Request(std::string(kFifoTokenBytes, '\0'))};
  for (size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = 'Q';
    bad.push_back(changed);
    bad.push_back(good.substr(0, i));
    bad.push_back(good.substr(i + 1));
  }
  for (const std::string& bytes : bad) {
    EXPECT_TRUE(Found(bytes).empty()) << bytes;
    EXPECT_EQ(Found(bytes + good), std::vector<std::string>{kToken}) << bytes;
  }
}

// Each good request is found, and nothing that nobody wrote, whatever others
// leave around them.
TEST(FifoRequest, GarbageSpoilsNoOtherRequest) {
  std::mt19937 random(1);
  const auto below = [&random](size_t n) { return random() % n; };
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    std::vector<std::string> tokens;
    for (int i = 0; i < 20; ++i) {
      std::string token = kToken;
      for (char& c : token) c = "0123456789abcdef"[below(16)];
      switch (below(4)) {
        case 0:
          bytes += Request(token);
          tokens.push_back(token);
          break;
        case 1:
          bytes += Request(token).substr(0, below(kFifoRequestBytes));
          break;
        case 2:
          bytes += Request(token).substr(1 + below(kFifoRequestBytes - 1));
          break;
        default:
          for (size_t n = below(60); n > 0; --n) {
            bytes += "\nnearcall fifo 01 ff"[below(19)];
          }
      }
    }
    const std::vector<std::string> found =
        Found(bytes, 1 + below(kFifoRequestBytes));
    // A piece without an end and one without a beginning can make a whole: the
    // good ones are among what is found, in order.
    auto at = found.begin();
    for (const std::string& token : tokens) {
      at = std::find(at, found.end(), token);
      ASSERT_NE(at, found.end()) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace nearcall::internal
