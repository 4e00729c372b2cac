/*
 * Copyright (c) 2026 The multip11 authors
 *
 * Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions
 * are met:
 * 1. Redistributions of source code must retain the above copyright
 *    notice, this list of conditions and the following disclaimer.
 * 2. Redistributions in binary form must reproduce the above copyright
 *    notice, this list of conditions and the following disclaimer in the
 *    documentation and/or other materials provided with the distribution.
 *
 * THIS SOFTWARE IS PROVIDED BY THE AUTHORS ``AS IS'' AND ANY EXPRESS OR
 * IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES
 * OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED.
 * IN NO EVENT SHALL THE AUTHORS BE LIABLE FOR ANY DIRECT, INDIRECT,
 * INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT
 * NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
 * DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY
 * THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
 * (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF
 * THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
 */
#include "conform_run.h"

#include <cstdio>
#include <cstring>

namespace mp11::conform {
namespace {

/* The slots of the first C_GetSlotList have these variables. */
constexpr Var kFirstSlot = 1;
constexpr uint64_t kMostSlots = 256;

Call call_with(uint32_t function, std::vector<Arg> args) {
  Call call;
  call.function = function;
  call.args = std::move(args);
  return call;
}
Arg slot_arg(Var var) {
  Arg arg;
  arg.ref.var = var;
  return arg;
}
Arg number_arg(uint64_t number) {
  Arg arg;
  arg.number = number;
  return arg;
}
Arg null_arg() {
  Arg arg;
  arg.null = true;
  return arg;
}
Arg room_arg(uint64_t room) {
  Arg arg;
  arg.room = room;
  return arg;
}

std::string padded(const CK_UTF8CHAR* field, size_t size) {
  std::string text(reinterpret_cast<const char*>(field), size);
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

/* The call that began the operation that this one goes on with, as text. */
std::string beginning_of(const Call& call, const std::vector<Call>& made) {
  const FunctionRow* row = function_row(call.function);
  for (size_t i = made.size(); row != nullptr && row->operation != Operation::kOpNone && i-- > 0;) {
    const FunctionRow* other = function_row(made[i].function);
    if (other != nullptr && other->operation == row->operation && begins_operation(*other) &&
        made[i].args[0].ref.var == call.args[0].ref.var)
      return to_text(made[i]);
  }
  return "none";
}

/* Both sides' seeds: of the run and of its sequences. */
uint64_t sequence_seed(uint64_t seed, uint64_t number) {
  Random random(seed);
  return random.next() ^ (number * 0x9e3779b97f4a7c15);
}

}  // namespace

void Coverage::note(const Call& call, const Reply& reply) {
  for (size_t t = 0; t < reply.threads.size(); t++)
    for (size_t i = 0; i < reply.threads[t].size(); i++)
      note(call.threads[t][i], reply.threads[t][i]);
  const FunctionRow* row = function_row(call.function);
  if (row == nullptr) return;
  calls++;
  functions[call.function][reply.rv]++;
  if (reply.rv != CKR_OK) return;
  for (unsigned i = 0; i < row->arg_count && i < call.args.size(); i++)
    if (row->args[i].kind == ArgKind::kMechanism && !call.args[i].null)
      mechanisms[call.args[i].mechanism.type]++;
}

Run::Run(RunConfig config)
    : config_(std::move(config)), direct_(config_.direct), hosted_(config_.hosted) {}

bool Run::restore() const {
  for (const Snapshot& snapshot : snapshots_)
    if (Status done = snapshot.put_back(); !done) {
      fprintf(stderr, "multip11 conform: %s\n", done.error().text.c_str());
      return false;
    }
  return true;
}

bool Run::restart() {
  direct_.stop();
  hosted_.stop();
  return restore() && direct_.start(hosted_) && hosted_.start(direct_);
}

/* One side after the other, as they may share a token's files. */
Run::Step Run::step(const Call& call, Reply* direct, Reply* hosted) {
  if (call.probe) {
    for (Side* side : {&direct_, &hosted_}) {
      bool ambiguous = false;
      if (side->ambiguous(call, &ambiguous) != SideStatus::kOk) return Step::kBroken;
      if (ambiguous) return Step::kSkipped;
    }
  }
  direct_.send(call);
  if (direct_.receive(direct) != SideStatus::kOk) return Step::kCrashed;
  hosted_.send(call);
  return hosted_.receive(hosted) == SideStatus::kOk ? Step::kDone : Step::kHostedEnded;
}

Difference Run::ended() const {
  return {"the hosted side ended", "the process of the hosted side: " + hosted_.end()};
}

/* ---- what the token offers ---- */

bool Run::discover_token(Var first_slot) {
  Reply direct, hosted;
  for (size_t i = 0; i < facts_.slots; i++) {
    Call info = call_with(kC_GetTokenInfo, {slot_arg(first_slot + i), Arg{}});
    if (step(info, &direct, &hosted) != Step::kDone) return false;
    if (direct.rv != CKR_OK || direct.outs[1].data.size() != sizeof(CK_TOKEN_INFO)) continue;
    CK_TOKEN_INFO token;
    memcpy(&token, direct.outs[1].data.data(), sizeof token);
    const bool right = config_.token.empty() ? (token.flags & CKF_TOKEN_INITIALIZED) != 0
                                             : padded(token.label, 32) == config_.token;
    if (!right) continue;
    facts_.target = i;
    return true;
  }
  fprintf(stderr, "multip11 conform: %s: no token %s\n", config_.direct.module.c_str(),
          config_.token.c_str());
  return false;
}

/* Are there objects, as the user sees them? */
bool Run::discover_objects(Var slot) {
  constexpr Var kSession = kFirstSlot + kMostSlots, kObjects = kSession + 1;
  Reply direct, hosted;
  Call open = call_with(kC_OpenSession,
                        {slot_arg(slot), number_arg(CKF_SERIAL_SESSION), null_arg(), Arg{}});
  open.binds = kSession;
  const std::string& pin = config_.generator.user_pin;
  Arg pin_arg;
  pin_arg.octets = literal(Bytes(pin.begin(), pin.end()));
  Arg no_template;
  Call find = call_with(kC_FindObjects, {slot_arg(kSession), room_arg(1)});
  find.binds = kObjects;
  std::vector<Call> calls = {open};
  if (!pin.empty())
    calls.push_back(call_with(kC_Login, {slot_arg(kSession), number_arg(CKU_USER), pin_arg}));
  calls.push_back(call_with(kC_FindObjectsInit, {slot_arg(kSession), no_template}));
  calls.push_back(find);
  for (const Call& call : calls) {
    if (step(call, &direct, &hosted) != Step::kDone) return false;
    if (direct.rv == CKR_OK) continue;
    fprintf(stderr, "multip11 conform: %s: direct %s\n", kFunctionTable[call.function].name,
            rv_name(direct.rv).c_str());
    return false;
  }
  facts_.empty = direct.outs[1].numbers.empty();
  return true;
}

bool Run::discover() {
  Reply direct, hosted;
  Comparer comparer(false, config_.named);
  std::vector<Call> made;
  if (!restart()) return false;
  auto make = [&](const Call& call) {
    const Step done = step(call, &direct, &hosted);
    made.push_back(call);
    if (done == Step::kCrashed || done == Step::kHostedEnded) {
      const Side& side = done == Step::kCrashed ? direct_ : hosted_;
      fprintf(stderr, "multip11 conform: the %s side: %s\n", side.config().name,
              side.end().c_str());
      return false;
    }
    if (done != Step::kDone) return false;
    coverage_.note(call, direct);
    if (auto found = comparer.compare(call, direct, hosted)) {
      report(0, made, *found);
      return false;
    }
    if (direct.rv == CKR_OK) return true;
    fprintf(stderr, "multip11 conform: %s: %s\n", kFunctionTable[call.function].name,
            rv_name(direct.rv).c_str());
    return false;
  };
  Call list = call_with(kC_GetSlotList, {number_arg(CK_FALSE), room_arg(kMostSlots)});
  list.binds = kFirstSlot;
  if (!make(call_with(kC_Initialize, {null_arg()})) || !make(list)) return false;
  facts_.slots = direct.outs[1].numbers.size();
  if (!discover_token(kFirstSlot)) return false;
  const Var target = kFirstSlot + facts_.target;
  if (!make(call_with(kC_GetMechanismList, {slot_arg(target), room_arg(4096)}))) return false;
  const std::vector<uint64_t> types = direct.outs[1].numbers;
  for (uint64_t type : types) {
    if (!make(call_with(kC_GetMechanismInfo, {slot_arg(target), number_arg(type), Arg{}})))
      return false;
    CK_MECHANISM_INFO info;
    memcpy(&info, direct.outs[2].data.data(), sizeof info);
    facts_.mechanisms.push_back({type, info.flags});
  }
  return discover_objects(target);
}

/* ---- sequences ---- */

/* Both sides anew, in the state after these calls. */
bool Run::recover(const std::vector<Call>& made) {
  if (!restart()) return false;
  Reply direct, hosted;
  for (const Call& call : made)
    if (step(call, &direct, &hosted) != Step::kDone) return false;
  return true;
}

void Run::sequence(uint64_t number) {
  GeneratorConfig config = config_.generator;
  config.seed = sequence_seed(config.seed, number);
  config.duals = !config_.named;
  Comparer comparer(facts_.empty, config_.named);
  Generator generator(config, facts_, comparer);
  std::vector<Call> made;
  if (!restart()) return;
  for (uint64_t i = 0; i < config_.length; i++) {
    const Call call = generator.next();
    Reply direct, hosted;
    std::optional<Difference> found;
    switch (step(call, &direct, &hosted)) {
      case Step::kDone:
        made.push_back(call);
        coverage_.note(call, direct);
        found = comparer.compare(call, direct, hosted);
        generator.learn(call, direct);
        break;
      case Step::kSkipped:
        coverage_.skipped++;
        generator.forget(call);
        continue;
      case Step::kCrashed: {
        coverage_.crashes++;
        const FunctionRow* row = function_row(call.function);
        coverage_.crashed[row != nullptr ? row->name : "threads"]++;
        if (config_.direct.show_errors)
          printf("crashes directly (%s): %s\n  after %s\n", direct_.end().c_str(),
                 to_text(call).c_str(), beginning_of(call, made).c_str());
        generator.forget(call);
        if (!recover(made)) return;
        continue;
      }
      case Step::kHostedEnded:
        made.push_back(call);
        found = ended();
        break;
      case Step::kBroken:
        return;
    }
    if (found) {
      report(number, made, *found);
      return;
    }
  }
}

int Run::run() {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  for (const std::string& directory : config_.restore) {
    Result<Snapshot> snapshot = Snapshot::take(directory);
    if (!snapshot) {
      fprintf(stderr, "multip11 conform: %s\n", snapshot.error().text.c_str());
      return 2;
    }
    snapshots_.push_back(*snapshot);
  }
  if (!discover()) return differences_ > 0 ? 1 : 2;
  if (config_.only >= 0) {
    sequence(static_cast<uint64_t>(config_.only));
  } else {
    for (uint64_t n = 0; coverage_.calls < config_.calls; n++) {
      const uint64_t before = coverage_.calls;
      sequence(n);
      if (differences_ > 0 && !config_.all) break;
      if (coverage_.calls == before) {
        fprintf(stderr, "multip11 conform: a sequence cannot be begun\n");
        return 2;
      }
    }
  }
  direct_.stop();
  hosted_.stop();
  print_coverage();
  if (!restore()) return 2;
  return differences_ > 0 ? 1 : 0;
}

void Run::print_coverage() const {
  std::map<uint64_t, uint64_t> values;
  size_t functions = 0;
  std::string never;
  for (uint32_t f = 0; f < kFunctions240; f++) {
    auto it = coverage_.functions.find(f);
    if (it == coverage_.functions.end()) {
      never += std::string(never.empty() ? "" : " ") + kFunctionTable[f].name;
      continue;
    }
    functions++;
    for (const auto& [rv, count] : it->second) values[rv] += count;
  }
  printf("%llu calls compared, %llu left out as the module itself crashes, %llu ambiguous\n",
         static_cast<unsigned long long>(coverage_.calls),
         static_cast<unsigned long long>(coverage_.crashes),
         static_cast<unsigned long long>(coverage_.skipped));
  for (const auto& [name, count] : coverage_.crashed)
    printf("  crashed in %s: %llu\n", name.c_str(), static_cast<unsigned long long>(count));
  printf("%zu of %u functions%s%s\n", functions, kFunctions240,
         never.empty() ? "" : "; never: ", never.c_str());
  size_t used = 0;
  std::string unused;
  for (const MechanismFacts& m : facts_.mechanisms) {
    if (coverage_.mechanisms.contains(m.type))
      used++;
    else
      unused += " " + mechanism_name(m.type);
  }
  printf("%zu of %zu mechanisms were accepted%s%s\n", used, facts_.mechanisms.size(),
         unused.empty() ? "" : "; never:", unused.c_str());
  printf("%zu return values:", values.size());
  for (const auto& [rv, count] : values)
    printf(" %s=%llu", rv_name(rv).c_str(), static_cast<unsigned long long>(count));
  printf("\n");
  if (differences_ == 0)
    printf("no difference (seed %llu)\n", static_cast<unsigned long long>(config_.generator.seed));
  else
    printf("%llu differences\n", static_cast<unsigned long long>(differences_));
}

}  // namespace mp11::conform
