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
 * What a layer keeps its clients from: functions, mechanisms, objects and the export of keys. A
 * filter is made of the configuration (multip11d.conf(5), "layer"), travels as FilterPlan from
 * [priv] to the vault to the monitor, and is asked by SessionMonitor before each call that goes to
 * the layer, and for each object that is found there.
 *
 * Functions and mechanisms are those of the tables of this build, by their place there. A mechanism
 * that the tables do not know (a vendor's) is refused wherever mechanisms are chosen at all.
 *
 * Trust: a plan comes from the vault and is checked by filter_is_good(). Labels and ids of objects
 * are whatever a library and its users put there.
 */
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "p11_functions.h"
#include "records.h"

namespace mp11 {

/* What is known of an object. */
struct ObjectFacts {
  uint32_t class_bit = 0;            /* CreateClass; 0: not known */
  std::optional<std::string> label;  /* CKA_LABEL; "" where the object has none */
  std::optional<std::string> id_hex; /* CKA_ID, in lower-case hexadecimal digits */
};

/* CreateClass of a CKA_CLASS. */
uint32_t class_bit(uint64_t object_class);

/*
 * Whether a pattern matches the whole text: `*` any octets, or none; `\` the octet behind it.
 * Takes at most pattern.size() * text.size() steps.
 */
bool glob_matches(std::string_view pattern, std::string_view text);

/* Whether a layer may be kept from this function: it goes to one layer, and does something there.
 */
bool filterable(const FunctionRow& row);

/* Whether the rule is about the object; where that hangs on what is not known of it, `unknown`. */
bool rule_matches(const FilterObject& rule, const ObjectFacts& facts, bool unknown);

[[nodiscard]] bool filter_is_good(const FilterPlan& plan);

class LayerFilter {
 public:
  explicit LayerFilter(const FilterPlan& plan) : plan_(plan) {}

  /* Nothing is refused; what would be is told to the host. */
  bool audits() const { return (plan_.flags & kFilterAudit) != 0; }
  bool keeps_keys() const { return (plan_.flags & kFilterNoExport) != 0; }
  bool chooses_mechanisms() const { return (plan_.flags & kFilterMechanisms) != 0; }
  bool chooses_objects() const { return plan_.objects != 0; }

  bool takes_function(uint32_t number) const;
  bool takes_mechanism(uint64_t type) const;
  /* Whether C_GenerateKey and C_GenerateKeyPair with it make objects here; an audit, too. */
  bool makes_with(uint64_t type) const;
  /*
   * The object matches a rule that shows, if there is such a rule, and none that hides. What is not
   * known of it matches no rule that shows and every one that hides.
   */
  bool shows(const ObjectFacts& facts) const;

 private:
  FilterPlan plan_;
};

}  // namespace mp11
