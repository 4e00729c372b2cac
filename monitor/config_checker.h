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
 * The tree of keywords made a Config, and everything said that is wrong with it. For config.cc,
 * config_backends.cc, config_tokens.cc, config_filters.cc and config_identities.cc alone.
 */
#pragma once
#include <string>
#include <vector>

#include "config.h"
#include "config_reader.h"

namespace mp11 {

class ConfigChecker {
 public:
  ConfigChecker(const ConfigSection& root, const std::string& file, Config* config,
                LoadedConfig* loaded, ConfigErrors* errors)
      : file_(file), root_(root), config_(config), loaded_(loaded), errors_(errors) {}

  void run();

 private:
  template <class F>
  void for_each(const char* keyword, F f) {
    for (const ConfigSection& section : root_.sections)
      if (section.keyword == keyword) f(Reader(section, errors_));
  }
  void warn(int line, const std::string& text);
  void global(const Reader& r);
  void libexec(const Reader& r);
  void log_target(const Reader& r);
  UserId user_id(const std::string& text, int line, const std::string& what);
  void users();
  void listener(const Reader& r);
  void tcp_listener(const Reader& r, ListenerConfig* l);
  void encodings(const Reader& r, ListenerConfig* l);
  void security(const Reader& r, ListenerConfig* l);
  void transport(const Reader& r, ListenerConfig* l);
  void further_addresses(const Reader& r, ListenerConfig* l);
  void local_listener(const Reader& r, ListenerConfig* l);
  void path_list(const Reader& r, const char* keyword, std::vector<std::string>* paths);
  void environment(const Reader& r, BackendConfig* b);
  void isolation(const Reader& r, BackendConfig* b);
  void backend(const Reader& r);
  void library(const Reader& r, BackendConfig* b); /* config_backends.cc */
  void server(const Reader& r, BackendConfig* b);
  void principal_of(const Reader& r, const char* keyword, const std::string& text,
                    const char* example);
  void network();
  void clashes();
  void uid_ranges();
  void limits_of_one_configuration();
  void usefulness();
  void master_key_is_there();

  /* config_tokens.cc */
  std::vector<std::string> rules(const Reader& r, const char* keyword);
  void group(const Reader& r);
  void token(const Reader& r);
  void token_of(const Reader& r, LayerConfig* layer);
  void layer_of(const Reader& r, bool read_only, TokenConfig* t);
  void ways_around_filters();
  void act_as(const Reader& r); /* config_identities.cc */
  void pin_select(const Reader& r, TokenConfig* t);
  void identities_of_use();
  void one_realm(const TokenConfig& t);
  void retire_of(const Reader& r, LayerConfig* layer);
  void filter_of(const Reader& r, LayerConfig* layer); /* config_filters.cc */
  void prefixes_of(const Reader& r, LayerConfig* layer);
  void object_rules(const Reader& r, const char* keyword, FilterConfig* filter);
  void token_once(const TokenConfig& t, const LayerConfig& layer, const std::string& backend);

  const std::string file_;
  const ConfigSection& root_;
  Config* config_;
  LoadedConfig* loaded_;
  ConfigErrors* errors_;
  int users_line_ = 1;
  size_t rules_ = 0;   /* entries of allow and members, so far */
  size_t filters_ = 0; /* layers that have one */
  size_t pins_ = 0;    /* layers whose PIN is stored */
};

}  // namespace mp11
