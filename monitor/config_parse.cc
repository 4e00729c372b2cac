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
#include "config_parse.h"

#include <confuse.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

namespace mp11 {

void ConfigErrors::add(int line, const std::string& text) {
  std::string entry =
      line > 0 ? file_ + ":" + std::to_string(line) + ": " + text : "option -o: " + text;
  /* An option that is quoted may have any: still it is one line. */
  for (char& c : entry)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  if (std::find(lines_.begin(), lines_.end(), entry) == lines_.end()) lines_.push_back(entry);
}

namespace {

/* A walk over the text that knows strings and comments; one octet or one comment at a time. */
class Stripper {
 public:
  Stripper(std::string_view text, std::string* out, SectionLines* sections, ConfigErrors* errors)
      : text_(text), out_(out), sections_(sections), errors_(errors) {}

  bool run() {
    while (at_ < text_.size()) {
      char c = text_[at_];
      char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
      if (!check_octet(c)) return false;
      if (c == '#' || (c == '/' && next == '/'))
        line_comment();
      else if (c == '/' && next == '*') {
        if (!block_comment()) return false;
      } else if (c == '"' || c == '\'') {
        if (!quoted(c)) return false;
      } else if (std::strchr(" \t\r\n{}()=+,", c) != nullptr) {
        punctuation(c);
      } else {
        word();
      }
    }
    if (!open_lines_.empty()) {
      errors_->add(open_lines_.back(), "this brace is not closed; add }");
      return false;
    }
    return good_;
  }

 private:
  void put() {
    if (text_[at_] == '\n') line_++;
    out_->push_back(text_[at_++]);
  }
  bool check_octet(char c, bool literal = false) {
    unsigned char octet = static_cast<unsigned char>(c);
    if (octet < 0x20 && c != '\n' && c != '\t' && c != '\r') {
      errors_->add(line_, "control character in the file; remove it");
      return false;
    }
    if (!literal && c == '$' && at_ + 1 < text_.size() && text_[at_ + 1] == '{') {
      errors_->add(line_, "${...} is not replaced here; write the value, or use single quotes");
      good_ = false;
    }
    return true;
  }
  /* libconfuse drops other backslashes, and "\*@REALM" would be everybody. */
  void check_escape() {
    constexpr std::string_view kEscaped = "\\\"$";
    if (at_ + 1 < text_.size() && kEscaped.find(text_[at_ + 1]) != kEscaped.npos) return;
    errors_->add(line_,
                 "in double quotes a backslash stands before \\, \" or $ only; write \\\\, or "
                 "use single quotes");
    good_ = false;
  }
  /* Remembers the last two words: before `{` they are a section's keyword and title. */
  void next_word(std::string text) {
    words_[0] = std::move(words_[1]);
    words_[1] = {std::move(text), line_};
  }
  void word() {
    size_t end = text_.find_first_of(" \t\r\n{}()=+,\"'#", at_);
    if (end == std::string_view::npos) end = text_.size();
    size_t comment = std::min(text_.find("//", at_ + 1), text_.find("/*", at_ + 1));
    end = std::min(end, comment);
    next_word(std::string(text_.substr(at_, end - at_)));
    while (at_ < end && check_octet(text_[at_])) put();
    if (at_ < end) at_ = end; /* reported; good_ or the caller's next octet ends the walk */
    after_equals_ = false;
  }
  void punctuation(char c) {
    if (c == '{' && !after_equals_) {
      bool untitled = words_[1].text == "users" || words_[1].text == "layer";
      bool titled = words_[0].text == "listener" || words_[0].text == "backend" ||
                    words_[0].text == "token" || words_[0].text == "group" ||
                    words_[0].text == "act-as";
      const Word& keyword = untitled && !titled ? words_[1] : words_[0];
      (*sections_)[keyword.text].push_back(keyword.line);
    }
    if (c == '{') open_lines_.push_back(line_);
    if (c == '}' && !open_lines_.empty()) open_lines_.pop_back();
    if (c == '=' || std::strchr("{}(),", c) != nullptr) after_equals_ = c == '=';
    put();
  }
  void line_comment() {
    while (at_ < text_.size() && text_[at_] != '\n') at_++;
  }
  bool block_comment() {
    int first = line_;
    size_t end = text_.find("*/", at_ + 2);
    if (end == std::string_view::npos) {
      errors_->add(first, "this comment does not end; add */");
      return false;
    }
    for (; at_ < end + 2; at_++)
      if (text_[at_] == '\n') {
        line_++;
        out_->push_back('\n');
      }
    out_->push_back(' ');
    return true;
  }
  bool quoted(char quote) {
    int first = line_;
    next_word("");
    after_equals_ = false;
    put();
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '\n') break;
      if (!check_octet(text_[at_], quote == '\'')) return false;
      if (quote == '"' && text_[at_] == '\\') check_escape();
      if (text_[at_] == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n') put();
      if (!check_octet(text_[at_], true)) return false;
      put();
    }
    if (at_ >= text_.size() || text_[at_] != quote) {
      errors_->add(first, "this string does not end on its line; close the quotes");
      return false;
    }
    put();
    return true;
  }

  struct Word {
    std::string text; /* empty: it was quoted */
    int line = 0;
  };
  std::string_view text_;
  std::string* out_;
  SectionLines* sections_;
  ConfigErrors* errors_;
  Word words_[2];
  std::vector<int> open_lines_; /* of the braces that are open */
  bool after_equals_ = false;
  size_t at_ = 0;
  int line_ = 1;
  bool good_ = true;
};

/* What the callbacks of libconfuse, which have no argument of ours, write to during one parse. */
struct ParseState {
  ConfigErrors* errors;
  bool from_option = false; /* the text is that of a -o, whose lines mean nothing */
  unsigned pass = 0;        /* 0: the file; a later pass may set a keyword again */
  struct Seen {
    const cfg_opt_t* option;
    unsigned pass;
    ConfigValue value;
  };
  std::vector<Seen> seen;
  SectionLines sections;
};
ParseState* parse_state = nullptr;

int line_of(const cfg_t* cfg) { return parse_state->from_option ? 0 : cfg->line; }

void on_error(cfg_t* cfg, const char* format, va_list arguments) {
  char text[512];
  std::vsnprintf(text, sizeof text, format, arguments);
  std::string message = text;
  if (message.starts_with("no such option"))
    message = "unknown keyword" + message.substr(14) + "; see multip11d.conf(5)";
  else if (message.starts_with("found duplicate title"))
    message = "duplicate name" + message.substr(21) + "; give each a name of its own";
  else
    message += "; see multip11d.conf(5) for the form of this line";
  parse_state->errors->add(line_of(cfg), message);
}

/* Notes a value with its line. A keyword that stands twice in one section is an error. */
int on_value(cfg_t* cfg, cfg_opt_t* option, const char* value, void* result) {
  auto& seen = parse_state->seen;
  bool first_of_assignment = !(option->flags & CFGF_LIST) || option->nvalues == 0;
  if (first_of_assignment) {
    auto same = [&](const ParseState::Seen& s) { return s.option == option; };
    auto old = std::find_if(seen.begin(), seen.end(), same);
    if (old != seen.end() && old->pass == parse_state->pass)
      parse_state->errors->add(line_of(cfg), std::string("keyword '") + option->name +
                                                 "' is already set on line " +
                                                 std::to_string(old->value.line) + "; remove one");
    seen.erase(std::remove_if(seen.begin(), seen.end(), same), seen.end());
  }
  for (const char* c = value; *c != '\0'; c++)
    if (static_cast<unsigned char>(*c) < 0x20 || *c == 0x7f) {
      parse_state->errors->add(line_of(cfg), std::string("value of '") + option->name +
                                                 "' has a control character; remove it");
      break;
    }
  seen.push_back({option, parse_state->pass, {value, line_of(cfg)}});
  *static_cast<const char**>(result) = value;
  return 0;
}

/* Moves what was read into our tree. `next` counts the sections of each keyword so far. */
void collect(cfg_t* cfg, ConfigSection* section, std::map<std::string, size_t>* next) {
  for (cfg_opt_t* option = cfg->opts; option->name != nullptr; option++) {
    if (option->type == CFGT_SEC) {
      for (unsigned i = 0; i < cfg_opt_size(option); i++) {
        cfg_t* inner = cfg_opt_getnsec(option, i);
        ConfigSection& made = section->sections.emplace_back();
        made.keyword = option->name;
        made.title = inner->title != nullptr ? inner->title : "";
        const std::vector<int>& lines = parse_state->sections[option->name];
        size_t index = (*next)[option->name]++;
        made.line = index < lines.size() ? lines[index] : inner->line;
        collect(inner, &made, next);
      }
      continue;
    }
    bool empty_list = (option->flags & CFGF_LIST) && (option->flags & CFGF_MODIFIED);
    for (const ParseState::Seen& s : parse_state->seen)
      if (s.option == option) section->values[option->name].push_back(s.value);
    if (empty_list) section->values.try_emplace(option->name);
  }
}

#define WORD(name) CFG_STR_CB(const_cast<char*>(name), nullptr, CFGF_NODEFAULT, on_value)
#define LIST(name) CFG_STR_LIST_CB(const_cast<char*>(name), nullptr, CFGF_NODEFAULT, on_value)

/* The keywords, and nothing else, are what the file may say. */
struct Grammar {
  cfg_opt_t users[6] = {WORD("auth"), WORD("vault"), WORD("monitor"),
                        WORD("net"),  WORD("log"),   CFG_END()};
  cfg_opt_t listener[13] = {
      WORD("address"), WORD("port"),     LIST("security"), WORD("transport"), WORD("path"),
      WORD("mode"),    WORD("group"),    WORD("peer-uid"), WORD("principal"), LIST("encodings"),
      LIST("also"),    WORD("optional"), CFG_END()};
  cfg_opt_t group[5] = {LIST("members"), WORD("file"), WORD("unix-group"), WORD("realm"),
                        CFG_END()};
  cfg_opt_t backend[25] = {
      WORD("module"),     WORD("user"),           WORD("isolate"),       LIST("environment"),
      LIST("read"),       LIST("write"),          WORD("prestart"),      WORD("max-instances"),
      WORD("deadline"),   WORD("deadline-start"), WORD("deadline-long"), WORD("memory-limit"),
      WORD("file-limit"), WORD("token-lock"),     WORD("transparent"),   LIST("allow"),
      WORD("admin"),      WORD("uids"),           WORD("skeleton"),      WORD("server"),
      WORD("principal"),  WORD("keytab"),         WORD("security"),      WORD("client-principal"),
      CFG_END()};
  cfg_opt_t layer[22] = {WORD("backend"),    WORD("token"),         WORD("access"),
                         WORD("required"),   WORD("pin"),           LIST("create"),
                         LIST("allow"),      LIST("functions"),     LIST("no-functions"),
                         LIST("mechanisms"), LIST("no-mechanisms"), LIST("show"),
                         LIST("hide"),       WORD("no-export"),     WORD("policy"),
                         WORD("on-demand"),  WORD("blind"),         WORD("label-prefix"),
                         WORD("id-prefix"),  WORD("retire"),        WORD("retire-after"),
                         CFG_END()};
  cfg_opt_t act_as[2] = {LIST("allow"), CFG_END()};
  cfg_opt_t token[7] = {CFG_SEC(const_cast<char*>("layer"), layer, CFGF_MULTI),
                        WORD("access"),
                        WORD("admin"),
                        WORD("serial"),
                        WORD("pin-select"),
                        LIST("allow"),
                        CFG_END()};
  static constexpr int kNamed = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
  cfg_opt_t root[25] = {WORD("unprivileged"),
                        WORD("run-directory"),
                        WORD("state-directory"),
                        WORD("libexec-directory"),
                        WORD("log-level"),
                        WORD("log-target"),
                        WORD("log-rate"),
                        WORD("max-connections"),
                        WORD("max-connections-per-source"),
                        WORD("max-startups"),
                        WORD("handshake-timeout"),
                        WORD("idle-timeout"),
                        WORD("pool-size"),
                        WORD("sandbox"),
                        WORD("keytab"),
                        WORD("principal"),
                        WORD("master-key"),
                        CFG_SEC(const_cast<char*>("users"), users, CFGF_MULTI),
                        CFG_SEC(const_cast<char*>("group"), group, kNamed),
                        CFG_SEC(const_cast<char*>("listener"), listener, kNamed),
                        CFG_SEC(const_cast<char*>("backend"), backend, kNamed),
                        CFG_SEC(const_cast<char*>("token"), token, kNamed),
                        CFG_SEC(const_cast<char*>("act-as"), act_as, kNamed),
                        CFG_END()};
};

#undef WORD
#undef LIST

struct CfgFree {
  void operator()(cfg_t* cfg) const { cfg_free(cfg); }
};

/* One text over what is there already. */
bool parse_one(cfg_t* cfg, std::string_view text, ConfigErrors* errors) {
  std::string stripped;
  SectionLines sections;
  if (!strip_comments(text, &stripped, &sections, errors)) return false;
  for (const auto& [keyword, lines] : sections)
    for (int line : lines)
      parse_state->sections[keyword].push_back(parse_state->from_option ? 0 : line);
  if (!stripped.ends_with('\n')) stripped.push_back('\n');
  cfg->line = 1;
  return cfg_parse_buf(cfg, stripped.c_str()) == CFG_SUCCESS;
}

}  // namespace

bool strip_comments(std::string_view text, std::string* stripped, SectionLines* sections,
                    ConfigErrors* errors) {
  return Stripper(text, stripped, sections, errors).run();
}

bool parse_config_text(std::string_view text, const std::vector<std::string>& options,
                       ConfigSection* root, ConfigErrors* errors) {
  ParseState state;
  state.errors = errors;
  parse_state = &state;
  auto grammar = std::make_unique<Grammar>();
  std::unique_ptr<cfg_t, CfgFree> cfg(cfg_init(grammar->root, CFGF_NONE));
  bool good = cfg != nullptr;
  if (good) {
    cfg_set_error_function(cfg.get(), on_error);
    good = parse_one(cfg.get(), text, errors);
    /* libconfuse stops at a keyword of no letters and does not say why. */
    if (!good && errors->empty())
      errors->add(cfg->line, "not understood; see multip11d.conf(5) for the form of this line");
  }
  state.from_option = true;
  for (size_t i = 0; good && i < options.size(); i++) {
    state.pass++;
    ConfigErrors option_errors("");
    good = parse_one(cfg.get(), options[i], &option_errors);
    if (!good && errors->empty() && option_errors.empty()) option_errors.add(0, options[i]);
    for (size_t e = 0; e < option_errors.lines().size(); e++)
      errors->add(0, "'" + options[i] + "' is not of the form keyword=value");
  }
  std::map<std::string, size_t> next;
  if (good) collect(cfg.get(), root, &next);
  cfg.reset();
  parse_state = nullptr;
  return good && errors->empty();
}

}  // namespace mp11
