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
/*
 * Who may see which virtual token.
 *
 * [priv] writes the policy of its configuration as an array of fixed-size records into a sealed
 * memfd (serialise_policy), which the vault inherits and reads once at start (Policy::read). The
 * vault asks Policy which tokens a verdict may see; what no rule allows is not seen.
 *
 * Trust: the memfd comes from [priv]; it is checked to the last octet all the same, as a vault that
 * misreads its policy would be worse than one that does not start. A verdict comes from
 * multip11-auth (kind Kerberos) or from [priv] (kind local): rules of one kind are never compared
 * with verdicts of the other.
 */
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config.h"
#include "person_text.h"
#include "principal.h"
#include "records.h"
#include "result.h"
#include "secure_buffer.h"

namespace mp11 {

inline constexpr uint32_t kPolicyMagic = 0x4d503131; /* "MP11" */
inline constexpr uint32_t kPolicyVersion = 11;
inline constexpr uint32_t kPolicyRules = 65536; /* in one policy, with those of its groups */
inline constexpr uint32_t kPolicyGroups = 4096;
inline constexpr uint32_t kPolicyLayers = 16384; /* of all tokens */
inline constexpr uint32_t kPolicyFilters = 4096; /* of all layers */
inline constexpr uint32_t kPolicyPins = 4096;    /* the same */
inline constexpr uint32_t kPolicyIdentities = 1024;

/* The memfd: PolicyHead, then that many of PolicyBackend, -Token, -Layer, FilterPlan, StoredPin,
 * PolicyIdentity, -Group and -Rule. */
struct PolicyHead {
  uint32_t magic;
  uint32_t version;
  uint32_t backends;
  uint32_t tokens;
  uint32_t layers;
  uint32_t filters;
  uint32_t pins;
  uint32_t identities;
  uint32_t groups;
  uint32_t rules;
};

struct PolicyBackend {
  uint32_t flags; /* BackendFlags */
  uint32_t deadline_short_ms;
  uint32_t deadline_start_ms;
  uint32_t deadline_long_ms;
  uint32_t first_uid, last_uid; /* of isolate = token: each of its tokens has one; else 0 */
  char name[32];
  bool isolates_tokens() const { return first_uid != 0; }
};

struct PolicyToken {
  uint64_t slot;
  uint32_t flags; /* TokenFlags */
  uint32_t first_layer;
  uint32_t layer_count;
  uint32_t first_rule;
  uint32_t rule_count;
  char label[kPersonText]; /* person_text.h; what it says is cut to 32 octets */
  char serial[17];
  uint8_t reserved[3];
};

struct PolicyLayer {
  uint32_t backend; /* index */
  uint32_t flags;   /* LayerFlags */
  uint32_t pin;     /* PinMode */
  uint32_t creates; /* CreateClass; 0: anything */
  uint32_t first_rule;
  uint32_t rule_count; /* 0: for whoever sees the token */
  uint32_t filter;     /* of kLayerFiltered: index; else 0 */
  uint32_t stored;     /* of kPinStored: index; else 0 */
  uint32_t retire;     /* RetireMode; of kLayerOnDemand, else 0 */
  uint32_t retire_days;
  LayerPrefix prefix;
  BackendToken at_backend;
  char of_person[kPersonText]; /* label of the token, and not at_backend's; empty: none */
};

/* Whom somebody may act as, in tokens that are kTokenPinSelect. */
struct PolicyIdentity {
  uint32_t first_rule; /* of who may */
  uint32_t rule_count;
  char text[limits::kPrincipal]; /* name@REALM, uid:N or local:NAME */
};

struct PolicyGroup {
  uint32_t first_rule; /* of its members, none of which is a group */
  uint32_t rule_count;
};

struct PolicyRule {
  uint32_t kind;                 /* VerdictKind that it is for, or kRuleGroup */
  uint32_t group;                /* index, of kRuleGroup; else 0 */
  char text[limits::kPrincipal]; /* a pattern; for local verdicts the whole name, uid:N or NAME */
};
inline constexpr uint32_t kRuleGroup = 0x100;
static_assert(is_record<PolicyHead>() && is_record<PolicyBackend>() && is_record<PolicyToken>() &&
              is_record<PolicyLayer>() && is_record<PolicyIdentity>() && is_record<PolicyGroup>() &&
              is_record<PolicyRule>());

/*
 * A serial number for a token that has none of its own: of its label, so that it stays when the
 * file is changed elsewhere. FNV-1a, 64 bits, as hexadecimal digits.
 */
std::string serial_of(std::string_view text);
/* What tells a backend's tokens apart: the label, or where more is named, a URI. */
std::string token_name(const BackendToken& token);

/* What a layer's token is called for a person. */
std::string token_name(const PolicyLayer& layer, const std::string& principal);
/* Whether it is called so for some person. */
bool may_be_named(const PolicyLayer& layer, const std::string& token);

/*
 * As if who is named so had connected: "local:NAME" and "uid:N" are local, others of Kerberos. The
 * text is one that rule_problem() has nothing against.
 */
Verdict verdict_of(const std::string& who);
/* Of whom it is known what kind of name that is: a principal may look like a local user's. */
Verdict verdict_of(VerdictKind kind, const std::string& principal);

/*
 * The configuration's policy. Slots: tokens in the order of the file are 1, 2, ...; transparent
 * backends, in their order, follow them.
 */
std::vector<uint8_t> serialise_policy(const Config& config);

class Policy {
 public:
  static Result<Policy> read(std::span<const uint8_t> octets);

  const std::vector<PolicyBackend>& backends() const { return backends_; }
  const std::vector<PolicyToken>& tokens() const { return tokens_; }
  /* Of a token, in order. */
  std::span<const PolicyLayer> layers(const PolicyToken& token) const {
    return std::span(layers_).subspan(token.first_layer, token.layer_count);
  }

  /* nullptr: it has none. */
  const FilterPlan* filter(const PolicyLayer& layer) const {
    return (layer.flags & kLayerFiltered) != 0 ? &filters_[layer.filter] : nullptr;
  }

  /* nullptr: it has none of the configuration's. */
  const StoredPin* pin(const PolicyLayer& layer) const {
    if (layer.pin != kPinStored) return nullptr;
    return reinterpret_cast<const StoredPin*>(pins_.data()) + layer.stored;
  }

  /* Indices of the tokens that the verdict's principal may see, in order; none for a bad verdict.
   */
  std::vector<uint32_t> visible(const Verdict& verdict) const;

  /* Why: the first entry of an allow list that matches, and of a group its first member. */
  struct Reason {
    uint32_t rule;   /* place in the allow list */
    uint32_t member; /* place in the group; 0 when the entry is none */
  };
  /* A layer that has no list of its own has no reason of its own. */
  struct LayerMatch {
    uint32_t layer; /* place in the token */
    std::optional<Reason> reason;
  };
  /* A token whose list matches. It is seen if it has layers that are. */
  struct Match {
    uint32_t token;
    Reason reason;
    std::vector<LayerMatch> layers;
  };
  std::vector<Match> matches(const Verdict& verdict) const;
  /* Whether it sees a layer on that backend whose token is called so. */
  bool gives(const Verdict& verdict, const std::string& backend, const std::string& token) const;
  /* False: no rule is there by which anybody could see the layer of that token. */
  bool gives_somebody(const PolicyToken& token, const PolicyLayer& layer) const;

  /* An identity that the verdict's principal may act as. */
  struct Acting {
    uint32_t identity; /* index */
    Reason reason;
  };
  std::vector<Acting> may_act_as(const Verdict& verdict) const;
  const std::vector<PolicyIdentity>& identities() const { return identities_; }

 private:
  struct Rule {
    uint32_t kind;
    uint32_t group;
    std::string local;
    PrincipalPattern pattern;
  };
  struct Subject;
  class Judge; /* of one verdict */
  bool matches_one(const Rule& rule, const Subject& subject) const;
  bool somebody(uint32_t first_rule, uint32_t count) const;
  std::vector<PolicyBackend> backends_;
  std::vector<PolicyToken> tokens_;
  std::vector<PolicyLayer> layers_;
  std::vector<FilterPlan> filters_;
  SecureBuffer pins_; /* StoredPin after StoredPin */
  std::vector<PolicyIdentity> identities_;
  std::vector<PolicyGroup> groups_;
  std::vector<Rule> rules_;
};

}  // namespace mp11
