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
#include "explain_opinion.h"

#include <optional>

#include "layer_prefix.h"

namespace mp11 {
namespace {

std::string joined(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& one : all) text += (text.empty() ? "" : "; ") + one;
  return text;
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

/* Which of the layer's words refuse a name: the pattern of no-KEYWORD, or the lack of one. */
std::string refused_by(const char* keyword, const std::vector<std::string>& not_these,
                       const char* name) {
  for (const std::string& pattern : not_these)
    if (glob_matches(pattern, name)) return std::string("no-") + keyword + " " + quoted(pattern);
  return std::string(keyword) + ", which does not name it";
}

/* One layer and one question. */
class Weighing {
 public:
  Weighing(const Question& question, const LayerConfig& layer)
      : question_(question), layer_(layer) {
    if (layer.filter) filter_.emplace(layer.filter->plan);
  }

  Opinion result() {
    if (question_.function != nullptr) weigh_function(*question_.function);
    if (question_.mechanism != nullptr) weigh_mechanism(*question_.mechanism);
    if (makes()) weigh_create(*question_.function);
    if (question_.object && !makes()) weigh_object(*question_.object);
    if (layer_.on_demand)
      opinion_.conditions.push_back("once it is made, which happens when it is first needed");
    return std::move(opinion_);
  }

 private:
  bool makes() const {
    return question_.function != nullptr && question_.function->route == Route::kCreate;
  }
  void filtered(const std::string& why) {
    (filter_->audits() ? opinion_.logged : opinion_.against).push_back(why);
  }

  void weigh_function(const FunctionRow& row) {
    if (layer_.read_only) weigh_access(row);
    if (!filter_ || !filterable(row)) return;
    if (!filter_->takes_function(row.number))
      filtered("CKR_FUNCTION_NOT_SUPPORTED by " +
               refused_by("functions", layer_.filter->no_functions, row.name));
    if (filter_->keeps_keys() &&
        (row.number == kC_WrapKey || row.number == kC_WrapKeyAuthenticated))
      filtered("CKR_KEY_UNEXTRACTABLE by no-export");
    const char* keyword = layer_.filter->only_mechanisms ? "mechanisms" : "no-mechanisms";
    if (filter_->chooses_mechanisms() && row.route == Route::kState)
      filtered((row.number == kC_GetOperationState ? std::string("CKR_STATE_UNSAVEABLE by ")
                                                   : std::string("CKR_SAVED_STATE_INVALID by ")) +
               keyword + ", as a state may be of any operation");
  }

  /* As SessionMonitor::refused_read_only() has it. */
  void weigh_access(const FunctionRow& row) {
    const std::string why = " by access = read-only";
    switch (row.number) {
      case kC_InitToken:
      case kC_InitPIN:
      case kC_SetPIN:
        opinion_.against.push_back("CKR_TOKEN_WRITE_PROTECTED" + why);
        break;
      case kC_DestroyObject:
      case kC_SetAttributeValue:
        opinion_.against.push_back("CKR_ACTION_PROHIBITED" + why +
                                   ", unless it is a session object");
        break;
      case kC_FindObjectsInit:
        break;
      default:
        if (row.has(ArgKind::kTemplate))
          (row.route == Route::kCreate ? opinion_.passed : opinion_.against)
              .push_back("CKR_TOKEN_WRITE_PROTECTED" + why + ", unless for a session object");
        break;
    }
  }

  void weigh_mechanism(const MechanismRow& row) {
    if (!filter_) return;
    if (!filter_->takes_mechanism(row.type)) {
      const std::string why = "CKR_MECHANISM_INVALID by " +
                              refused_by("mechanisms", layer_.filter->no_mechanisms, row.name);
      const bool chosen_by_it = makes() || (question_.function != nullptr &&
                                            question_.function->route == Route::kMechanismLayer);
      if (chosen_by_it && !filter_->audits())
        opinion_.passed.push_back(why);
      else
        filtered(why);
    }
    if (makes() && !filter_->makes_with(row.type))
      opinion_.passed.push_back("CKR_MECHANISM_INVALID, as create does not name " +
                                std::string(row.name));
  }

  /* Takes the layer's prefixes off; false: no object of the layer has such a name. */
  bool take_prefixes(ObjectFacts* facts, std::vector<std::string>* against) const {
    const std::string label = label_prefix(layer_.prefix), id = id_prefix_hex(layer_.prefix);
    auto take = [&](std::optional<std::string>* name, const std::string& before,
                    const std::string& keyword) {
      if (!*name || before.empty() || (*name)->empty()) return true;
      if ((*name)->starts_with(before) && (*name)->size() > before.size()) {
        (*name)->erase(0, before.size());
        return true;
      }
      against->push_back("no object there is called so, by " + keyword);
      return false;
    };
    return take(&facts->label, label, "label-prefix " + quoted(label)) &&
           take(&facts->id_hex, id, "id-prefix " + id);
  }

  void weigh_create(const FunctionRow& row) {
    ObjectFacts named = question_.object.value_or(ObjectFacts{});
    (void)take_prefixes(&named, &opinion_.passed);
    uint32_t classes = question_.object ? question_.object->class_bit : 0;
    if (row.number == kC_GenerateKeyPair) classes = kCreatePublicKey | kCreatePrivateKey;
    if (row.number == kC_GenerateKey && classes == 0) classes = kCreateSecretKey;
    if (layer_.creates == 0) return;
    if (classes == 0)
      opinion_.conditions.push_back("if the object is of a class that create names");
    else if ((classes & ~layer_.creates) != 0)
      opinion_.passed.push_back("CKR_TEMPLATE_INCONSISTENT, as create does not name " +
                                create_names(classes & ~layer_.creates).front());
  }

  void weigh_object(ObjectFacts facts) {
    if (!take_prefixes(&facts, &opinion_.against)) return;
    opinion_.conditions.push_back("if the object lies there, which the library decides");
    const bool secret = (facts.class_bit & (kCreatePrivateKey | kCreateSecretKey)) != 0;
    if (layer_.pin == kPinNone && secret)
      opinion_.conditions.push_back("if it is public, as nobody logs in there (pin = none)");
    if (!filter_ || !filter_->chooses_objects()) return;
    const FilterConfig& filter = *layer_.filter;
    size_t shows = 0, hides = 0;
    std::optional<std::string> shown, perhaps;
    for (uint32_t i = 0; i < filter.plan.objects; i++) {
      const FilterObject& rule = filter.plan.object[i];
      const bool surely = rule_matches(rule, facts, false), may = rule_matches(rule, facts, true);
      if (rule.shows != 0) {
        const std::string& text = filter.show.at(shows++);
        if (surely && !shown) shown = text;
        if (may && !perhaps) perhaps = text;
      } else {
        const std::string& text = filter.hide.at(hides++);
        if (surely)
          filtered("hidden by hide " + quoted(text));
        else if (may)
          opinion_.conditions.push_back("unless hide " + quoted(text) + " is about it");
      }
    }
    if (shown)
      opinion_.conditions.push_back("shown by show " + quoted(*shown));
    else if (perhaps)
      opinion_.conditions.push_back("if show " + quoted(*perhaps) + " is about it");
    else if (shows != 0)
      filtered("hidden, as no entry of show is about it");
  }

  const Question& question_;
  const LayerConfig& layer_;
  std::optional<LayerFilter> filter_;
  Opinion opinion_;
};

}  // namespace

std::string Opinion::text() const {
  std::vector<std::string> no = against;
  no.insert(no.end(), passed.begin(), passed.end());
  if (!no.empty()) return "no: " + joined(no);
  std::string text = "yes";
  for (const std::string& one : conditions) text += ", " + one;
  if (!logged.empty()) text += "; policy = audit logs: " + joined(logged);
  return text;
}

Opinion opinion_of(const Question& question, const LayerConfig& layer) {
  return Weighing(question, layer).result();
}

}  // namespace mp11
