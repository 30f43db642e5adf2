// The configuration: what names stand for, which option counts, and that every
// mistake is said with its place.
#include "runtime/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/temp_runtime_dir.h"

namespace nearcall::internal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ConfigTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::shared_ptr<const Configuration>> Load(
      const std::string& json, const std::string& overrides = "") {
    std::ofstream(File()) << json;
    return Configuration::Load(File(), overrides);
  }
  std::string File() const { return directory_.File("config.json"); }

  Target Resolved(const std::string& json, const std::string& written,
                  const std::string& overrides = "") {
    const auto configuration = Load(json, overrides);
    EXPECT_TRUE(configuration.ok()) << configuration.status();
    if (!configuration.ok()) return {};
    absl::StatusOr<Target> target = (*configuration)->Resolve(written);
    EXPECT_TRUE(target.ok()) << target.status();
    return target.ok() ? *std::move(target) : Target();
  }

  /// The message, less the directory's path.
  std::string Mistake(const std::string& json,
                      const std::string& overrides = "") {
    return Text(Load(json, overrides).status());
  }
  std::string ResolveMistake(const std::string& json,
                             const std::string& written,
                             const std::string& overrides = "") {
    const auto configuration = Load(json, overrides);
    EXPECT_TRUE(configuration.ok()) << configuration.status();
    return Text((*configuration)->Resolve(written).status());
  }
  std::string Text(const absl::Status& status) const {
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    std::string text(status.message());
    for (size_t at; (at = text.find(directory_.path() + "/")) != text.npos;) {
      text.erase(at, directory_.path().size() + 1);
    }
    return text;
  }

  TempRuntimeDir directory_;
};

TEST_F(ConfigTest, ANameStandsForATarget) {
  const Target target = Resolved(
      R"({"targets": {"greeter": {"uri": "shm:hello?ring_bytes=8192",
                                  "options": {"spin_micros": 7}}}})",
      "greeter");
  EXPECT_EQ(target.written, "greeter");
  EXPECT_EQ(target.uri, "shm:hello?ring_bytes=8192");
  EXPECT_EQ(target.scheme, "shm");
  EXPECT_EQ(target.rest, "hello");
  EXPECT_EQ(target.options.ring_bytes(), 8192u);
  EXPECT_EQ(target.options.spin_micros(), 7u);
}

TEST_F(ConfigTest, ATargetWithASchemeStandsForItself) {
  const Target target = Resolved("{}", "unix:/tmp/x?spin_micros=0");
  EXPECT_EQ(target.written, "unix:/tmp/x?spin_micros=0");
  EXPECT_EQ(target.rest, "/tmp/x");
  EXPECT_TRUE(target.options.has_spin_micros());
}

TEST_F(ConfigTest, AServiceConfigGoesWithTheName) {
  const std::string json = R"({"targets": {
      "near": {"uri": "shm:x", "serviceConfig": {"methodConfig": [
          {"name": [{}], "timeout": "1s"}]}},
      "same": {"uri": "near"},
      "other": {"uri": "near", "serviceConfig": {}}}})";
  EXPECT_THAT(Resolved(json, "near").service_config, HasSubstr("\"1s\""));
  EXPECT_THAT(Resolved(json, "same").service_config, HasSubstr("\"1s\""));
  EXPECT_THAT(Resolved(json, "other").service_config, Not(HasSubstr("1s")));
  EXPECT_EQ(Resolved(json, "shm:x").service_config, "");
  EXPECT_THAT(Mistake(R"({"targets": {"x": {"uri": "shm:x", "serviceConfig": {
                  "methodConfig": [{"timeout": "soon"}]}}}})"),
              HasSubstr("config.json: targets.x: the service config is not"));
}

TEST_F(ConfigTest, SpellingsOfOneAddressAreOneName) {
  constexpr char kJson[] =
      R"({"targets": {"dns:///localhost:50051": {"uri": "unix:greeter"}}})";
  for (const char* written :
       {"localhost:50051", "127.0.0.1:50051", "0.0.0.0:50051", "[::]:50051",
        "dns:localhost:50051", "ipv4:127.0.0.1:50051"}) {
    EXPECT_EQ(Resolved(kJson, written).uri, "unix:greeter") << written;
  }
  EXPECT_THAT(Mistake(R"({"targets": {"localhost:1": {"uri": "shm:a"},
                                      "127.0.0.1:1": {"uri": "shm:b"}}})"),
              HasSubstr("targets[\"localhost:1\"] is the same name as "
                        "config.json: targets[\"127.0.0.1:1\"]"));
}

TEST_F(ConfigTest, NamesLeadToNames) {
  const Target target = Resolved(
      R"({"targets": {"a": {"uri": "b"}, "b": {"uri": "c"},
                      "c": {"uri": "shm:end"}}})",
      "a");
  EXPECT_EQ(target.uri, "shm:end");
  EXPECT_EQ(target.written, "a");
}

// Nearest to the program first: behind '?' there, the entry's uri, its options,
// the next entry's, the defaults.
TEST_F(ConfigTest, TheNearestOptionCounts) {
  const auto spin = [this](const std::string& outer, const std::string& inner,
                           const std::string& written) {
    return Resolved(
               R"({"defaults": {"spin_micros": 6}, "targets": {"outer": )" +
                   outer + R"(, "inner": )" + inner + "}}",
               written)
        .options.spin_micros();
  };
  const std::string outer =
      R"({"uri": "inner?spin_micros=2", "options": {"spin_micros": 3}})";
  const std::string inner =
      R"({"uri": "shm:x?spin_micros=4", "options": {"spin_micros": 5}})";
  EXPECT_EQ(spin(outer, inner, "outer?spin_micros=1"), 1u);
  EXPECT_EQ(spin(outer, inner, "outer"), 2u);
  EXPECT_EQ(spin(R"({"uri": "inner", "options": {"spin_micros": 3}})", inner,
                 "outer"),
            3u);
  EXPECT_EQ(spin(R"({"uri": "inner"})", inner, "outer"), 4u);
  EXPECT_EQ(spin(R"({"uri": "inner"})",
                 R"({"uri": "shm:x", "options": {"spin_micros": 5}})", "outer"),
            5u);
  EXPECT_EQ(spin(R"({"uri": "shm:x"})", inner, "outer"), 6u);
  EXPECT_EQ(spin(outer, inner, "shm:y"), 6u);
}

TEST_F(ConfigTest, DefaultsReachThoseThatHaveThem) {
  constexpr char kJson[] = R"({"defaults": {"ring_bytes": 8192}})";
  EXPECT_EQ(Resolved(kJson, "shm:x").options.ring_bytes(), 8192u);
  EXPECT_FALSE(Resolved(kJson, "unix:x").options.has_ring_bytes());
}

TEST_F(ConfigTest, TheEnvironmentReplacesEntries) {
  constexpr char kJson[] =
      R"({"targets": {"a": {"uri": "shm:a", "options": {"ring_bytes": 8192}},
                      "b": {"uri": "a"}}})";
  const std::string overrides = " a=unix:other?spin_micros=1 ; c=b;";
  for (const char* name : {"a", "b", "c"}) {
    const Target target = Resolved(kJson, name, overrides);
    EXPECT_EQ(target.rest, "other") << name;
    EXPECT_EQ(target.options.spin_micros(), 1u);
    EXPECT_FALSE(target.options.has_ring_bytes());
  }
  EXPECT_THAT(Mistake("{}", "shm:a"),
              HasSubstr("NEARCALL_TARGETS: 'shm:a' is not NAME=TARGET"));
  EXPECT_THAT(Mistake("{}", "a=shm:b;a=shm:c"),
              HasSubstr("NEARCALL_TARGETS: a is the same name as "
                        "NEARCALL_TARGETS: a"));
  EXPECT_THAT(Mistake("{}", "a="), HasSubstr("NEARCALL_TARGETS: a has no"));
}

TEST_F(ConfigTest, SyntaxErrorsHaveLineAndColumn) {
  EXPECT_THAT(Mistake("{\n  \"targets\": {\n    \"a\" {}\n  }\n}"),
              HasSubstr("config.json:3:9: not valid JSON: "));
  EXPECT_THAT(Mistake("{\"targets\": nul}"),
              HasSubstr("config.json:1:13: not valid JSON: "));
  EXPECT_THAT(Mistake("{} x"), HasSubstr("config.json:1:4: not valid JSON: "));
  EXPECT_THAT(Mistake("{\n\n\"targets\": {"),
              HasSubstr("config.json:3:13: not valid JSON: "));
  EXPECT_THAT(Mistake(""), HasSubstr("config.json:1:1: not valid JSON: "));
  EXPECT_THAT(Mistake("[1]"), HasSubstr("config.json: the whole must be an"));
}

TEST_F(ConfigTest, UnknownKeysHaveAPathAndTheNearestKey) {
  EXPECT_EQ(
      Mistake(
          R"({"targets": {"greeter": {"uri": "shm:x",
              "options": {"ring_byte": 4096}}}})"),
      "config.json: targets.greeter.options.ring_byte does not exist; did you "
      "mean 'ring_bytes'?");
  EXPECT_EQ(Mistake(R"({"target": {}})"),
            "config.json: target does not exist; did you mean 'targets'?");
  EXPECT_THAT(Mistake(R"({"xyzzy": 1})"),
              HasSubstr("xyzzy does not exist; known here are targets, "));
  EXPECT_THAT(
      Mistake(R"({"targets": {"a b": {"urii": "shm:x"}}})"),
      HasSubstr("targets[\"a b\"].urii does not exist; did you mean 'uri'?"));
  EXPECT_THAT(Mistake(R"({"targets": {"a": {"uri": "shm:x?ring_byte=1"}}})"),
              HasSubstr("targets.a: target 'shm:x?ring_byte=1': option "
                        "'ring_byte' does not exist; did you mean "
                        "'ring_bytes'?"));
  EXPECT_THAT(Mistake(R"({"defaults": {"spin_micros": 1, "spinMicros": 1}})"),
              HasSubstr("defaults.spin_micros is the same as spinMicros"));
}

TEST_F(ConfigTest, WrongTypesHaveAPathAndWhatIsExpected) {
  const auto options = [this](const std::string& json) {
    return Mistake(R"({"targets": {"a": {"uri": "shm:x", "options": )" + json +
                   "}}}");
  };
  EXPECT_EQ(options(R"({"ring_bytes": "many"})"),
            "config.json: targets.a.options.ring_bytes is \"many\": it must be "
            "a whole number from 4096 to 67108864");
  EXPECT_THAT(options(R"({"ringBytes": 7})"),
              HasSubstr("targets.a.options.ringBytes is 7: it must be"));
  EXPECT_THAT(options(R"({"ring_bytes": 1.5})"), HasSubstr("is 1.5: it must"));
  EXPECT_THAT(options(R"({"ring_bytes": [8192]})"), HasSubstr("is [8192]:"));
  EXPECT_THAT(options("7"),
              HasSubstr("targets.a.options is 7: it must be an object"));
  EXPECT_THAT(Mistake(R"({"targets": []})"),
              HasSubstr("targets is []: it must be an object"));
  EXPECT_THAT(Mistake(R"({"targets": {"a": "shm:x"}})"),
              HasSubstr("targets.a is \"shm:x\": it must be an object"));
  EXPECT_THAT(Mistake(R"({"targets": {"a": {"uri": true}}})"),
              HasSubstr("targets.a.uri is true: it must be text"));
}

// Proto3's JSON mapping: numbers as text, null as not set.
TEST_F(ConfigTest, ValuesAreProto3Json) {
  const Target target = Resolved(
      R"({"targets": {"a": {"uri": "shm:x", "options":
          {"ringBytes": "8192", "spin_micros": null, "frame_bytes": 1e3}}},
          "defaults": null})",
      "a");
  EXPECT_EQ(target.options.ring_bytes(), 8192u);
  EXPECT_EQ(target.options.frame_bytes(), 1000u);
  EXPECT_FALSE(target.options.has_spin_micros());
}

TEST_F(ConfigTest, OptionsOfAnotherScheme) {
  EXPECT_THAT(
      Mistake(R"({"targets": {"a": {"uri": "unix:x",
                  "options": {"ring_bytes": 8192}}}})"),
      HasSubstr("config.json: targets.a.options.ring_bytes is not an option of "
                "unix: but of shm inproc"));
  EXPECT_THAT(
      Mistake(R"({"targets": {"a": {"uri": "b", "options":
                  {"ring_bytes": 8192}}, "b": {"uri": "unix:x"}}})"),
      HasSubstr("targets.a.options.ring_bytes is not an option of unix:"));
  EXPECT_THAT(
      ResolveMistake(R"({"targets": {"a": {"uri": "unix:x"}}})",
                     "a?ring_bytes=8192"),
      HasSubstr("target 'a?ring_bytes=8192': option 'ring_bytes' is not an "
                "option of unix:"));
}

TEST_F(ConfigTest, NamesThatLeadInACircle) {
  EXPECT_EQ(Mistake(R"({"targets": {"a": {"uri": "b"}, "b": {"uri": "c"},
                                    "c": {"uri": "a"}}})"),
            "config.json: targets.a leads in a circle: a -> b -> c -> a; one "
            "of them must be SCHEME:...");
  EXPECT_THAT(
      Mistake(R"({"targets": {"localhost:1": {"uri": "127.0.0.1:1"}}})"),
      HasSubstr("leads in a circle"));
}

TEST_F(ConfigTest, NamesThatCannotBe) {
  EXPECT_THAT(
      Mistake(R"({"targets": {"shm:a": {"uri": "unix:a"}}})"),
      HasSubstr("targets[\"shm:a\"]: 'shm:a' cannot be a logical name"));
  EXPECT_THAT(Mistake(R"({"targets": {"": {"uri": "unix:a"}}})"),
              HasSubstr("targets[\"\"]: '' cannot be"));
  EXPECT_THAT(Mistake(R"({"targets": {"a?b=1": {"uri": "unix:a"}}})"),
              HasSubstr("a logical name has no '?'"));
  EXPECT_THAT(Mistake(R"({"targets": {"a": {}}})"),
              HasSubstr("targets.a has no target"));
  EXPECT_THAT(Mistake(R"({"targets": {"a": {"uri": "bb"}, "b": {"uri":
                      "shm:x"}}})"),
              AllOf(HasSubstr("targets.a: target 'bb' has no known scheme"),
                    HasSubstr("did you mean 'b'?")));
}

TEST_F(ConfigTest, UnknownNamesSayWhereWasLooked) {
  constexpr char kJson[] = R"({"targets": {"greeter": {"uri": "shm:x"}}})";
  EXPECT_THAT(ResolveMistake(kJson, "greter", "other=shm:y"),
              AllOf(HasSubstr("target 'greter' has no known scheme and is no "
                              "name of the configuration; did you mean "
                              "'greeter'?"),
                    HasSubstr("Schemes: shm, unix"),
                    HasSubstr("Configuration: config.json and "
                              "NEARCALL_TARGETS")));
  EXPECT_THAT(ResolveMistake(kJson, "zzz"),
              HasSubstr(", whose names are greeter"));
  EXPECT_THAT(ResolveMistake(kJson, "uniix:/tmp/x"),
              HasSubstr("did you mean 'unix:/tmp/x'?"));
  const auto none = Configuration::Load("", "");
  ASSERT_TRUE(none.ok());
  EXPECT_THAT(Text((*none)->Resolve("greeter").status()),
              AllOf(HasSubstr("NEARCALL_CONFIG is not set"),
                    HasSubstr("NEARCALL_TARGETS not set"),
                    Not(HasSubstr("did you mean"))));
}

TEST_F(ConfigTest, FilesThatCannotBeRead) {
  const absl::Status missing =
      Configuration::Load("/nowhere/config.json", "").status();
  EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
  EXPECT_THAT(std::string(missing.message()),
              HasSubstr("/nowhere/config.json"));
  EXPECT_THAT(Text(Configuration::Load(directory_.path(), "").status()),
              HasSubstr("Is a directory"));
}

// docs/config.md: a row for every option, and examples that load.
class ConfigPageTest : public ConfigTest {
 protected:
  void SetUp() override {
    std::ifstream file(NEARCALL_CONFIG_PAGE);
    page_.assign(std::istreambuf_iterator<char>(file), {});
    ASSERT_FALSE(page_.empty());
  }
  std::string page_;
};

TEST_F(ConfigPageTest, EveryOptionHasItsRow) {
  const auto& type = *config::Options::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& options = type.field(i)->options();
    EXPECT_FALSE(options.GetExtension(config::schemes).empty());
    EXPECT_FALSE(options.GetExtension(config::default_value).empty());
    EXPECT_THAT(page_,
                HasSubstr("\n| `" + type.field(i)->name() + "` | " +
                          options.GetExtension(config::default_value) + " | " +
                          options.GetExtension(config::schemes) + " | "));
  }
}

TEST_F(ConfigPageTest, ItsExamplesLoad) {
  const std::string fence = "```json\n";
  int examples = 0;
  for (size_t at = 0; (at = page_.find(fence, at)) != page_.npos; ++examples) {
    at += fence.size();
    const auto loaded = Load(page_.substr(at, page_.find("```", at) - at));
    EXPECT_TRUE(loaded.ok()) << loaded.status();
  }
  EXPECT_GE(examples, 1);
}

}  // namespace
}  // namespace nearcall::internal
