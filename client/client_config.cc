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
#include "client_config.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <memory>

#include "records.h"
#include "server_address.h"
#include "unique_fd.h"

namespace mp11::client {
namespace {

constexpr size_t kLongestFile = 256u << 10;
constexpr uint32_t kMaxSeconds = 7 * 86400;
constexpr uint32_t kDefaultDeadlineS = 30;
constexpr uint32_t kDefaultStartS = 60; /* a slow library may take this long to initialise */
constexpr uint32_t kDefaultLongS = 300; /* RSA keys of 16384 bits on a small device */
constexpr uint32_t kDefaultFiles = 256;

/* ---- values ---- */

bool read_number(const std::string& text, uint32_t least, uint32_t most, uint32_t* value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && *value >= least &&
         *value <= most;
}

/* An empty text: the value is good. Else what is wrong and what to do. */
std::string number_problem(const std::string& text, uint32_t least, uint32_t most) {
  uint32_t value;
  if (read_number(text, least, most, &value)) return {};
  return "write a number from " + std::to_string(least) + " to " + std::to_string(most);
}

std::string choice_problem(const std::string& text, const char* one, const char* other) {
  if (text == one || text == other) return {};
  return std::string("write ") + one + " or " + other;
}

std::string path_problem(const std::string& text, bool must_exist) {
  if (!text.starts_with('/')) return "write an absolute path";
  if (must_exist && ::access(text.c_str(), F_OK) != 0)
    return std::string(strerror(errno)) + "; correct the path or make the file";
  return {};
}

std::string variable_problem(const std::string& text) {
  size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) return "write NAME=VALUE";
  return {};
}

std::string address_problem(const std::string& text) {
  BackendConfig unused;
  Status parsed = parse_address(text, &unused);
  return parsed ? "" : parsed.error().text;
}

struct Keyword {
  const char* name;
  std::string (*problem)(const std::string& value);
};

constexpr Keyword kKeywords[] = {
    {"module", [](const std::string& v) { return path_problem(v, true); }},
    {"environment", variable_problem},
    {"read", [](const std::string& v) { return path_problem(v, true); }},
    {"write", [](const std::string& v) { return path_problem(v, true); }},
    {"lock-file", [](const std::string& v) { return path_problem(v, false); }},
    {"deadline", [](const std::string& v) { return number_problem(v, 1, kMaxSeconds); }},
    {"deadline-start", [](const std::string& v) { return number_problem(v, 1, kMaxSeconds); }},
    {"deadline-long", [](const std::string& v) { return number_problem(v, 1, kMaxSeconds); }},
    {"memory-limit", [](const std::string& v) { return number_problem(v, 0, 1u << 20); }},
    {"file-limit", [](const std::string& v) { return number_problem(v, 16, 65536); }},
    {"workers", [](const std::string& v) { return number_problem(v, 1, limits::kWorkers); }},
    {"token-lock", [](const std::string& v) { return choice_problem(v, "yes", "no"); }},
    {"sandbox", [](const std::string& v) { return choice_problem(v, "full", "seccomp-only"); }},
    {"server", address_problem},
    {"address", address_problem},
    {"principal",
     [](const std::string& v) -> std::string {
       return v.empty() ? "write pkcs11/HOST@REALM, or leave the line out" : "";
     }},
    {"security",
     [](const std::string& v) -> std::string {
       return v == "kdh" || v == "gss" ? "" : "write kdh or gss, or leave the line out";
     }},
    {"encoding",
     [](const std::string& v) -> std::string {
       return v == "der" || v == "xer" || v == "jer" ? "" : "write der, xer or jer";
     }},
    {"eager", [](const std::string& v) { return choice_problem(v, "yes", "no"); }},
    {"owner", [](const std::string& v) { return number_problem(v, 0, UINT32_MAX - 1); }},
    {"log-level",
     [](const std::string& v) -> std::string {
       return v == "quiet" || v == "error" || v == "debug" ? "" : "write quiet, error or debug";
     }},
};

std::string value_problem(const char* keyword, const std::string& value) {
  for (char c : value)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "remove the control character";
  for (const Keyword& k : kKeywords)
    if (strcmp(k.name, keyword) == 0) return k.problem(value);
  return {};
}

/* ---- libconfuse: its callbacks have no argument of ours ---- */

/* Where they put the first error; set during a parse. C_Initialize runs in one thread at a time. */
constinit std::string* first_error = nullptr;

void on_error(cfg_t* cfg, const char* format, va_list arguments) {
  if (!first_error->empty()) return;
  char text[512];
  vsnprintf(text, sizeof text, format, arguments);
  std::string message = text;
  if (message.starts_with("no such option"))
    message =
        "unknown keyword" + message.substr(strlen("no such option")) + "; see multip11.conf(5)";
  *first_error = std::to_string(cfg->line) + ": " + message;
}

int on_value(cfg_t* cfg, cfg_opt_t* option, const char* value, void* result) {
  std::string problem = value_problem(option->name, value);
  if (!problem.empty()) {
    cfg_error(cfg, "%s = %s: %s", option->name, value, problem.c_str());
    return -1;
  }
  *static_cast<const char**>(result) = value;
  return 0;
}

bool good_name(const std::string& name) {
  constexpr const char* kOctets =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.size() < sizeof PortfolioBackend::name && name[0] != '.' &&
         name.find_first_not_of(kOctets) == std::string::npos;
}

int on_section(cfg_t* cfg, cfg_opt_t* option) {
  const char* needed = strcmp(option->name, "backend") == 0 ? "module" : "address";
  cfg_t* section = cfg_opt_getnsec(option, cfg_opt_size(option) - 1);
  if (!good_name(cfg_title(section))) {
    cfg_error(cfg, "%s %s: write a name of at most 31 letters, digits, '.', '_' and '-'",
              option->name, cfg_title(section));
    return -1;
  }
  if (cfg_size(cfg, "backend") + cfg_size(cfg, "server") > 1) {
    cfg_error(cfg, "%s %s: more than one server or backend is not built yet; keep one",
              option->name, cfg_title(section));
    return -1;
  }
  const char* value = cfg_getstr(section, needed);
  if (value == nullptr) {
    cfg_error(cfg, "%s %s has no %s; add one", option->name, cfg_title(section), needed);
    return -1;
  }
  if (strcmp(needed, "address") != 0) return 0;
  const bool local = strncmp(value, "unix:", 5) == 0;
  for (const char* keyword : {"owner", "principal", "security", "sandbox", "encoding", "eager"}) {
    const bool for_local = strcmp(keyword, "owner") == 0;
    if (cfg_getstr(section, keyword) == nullptr || for_local == local) continue;
    cfg_error(cfg, "server %s: %s means nothing for %s; remove it", cfg_title(section), keyword,
              value);
    return -1;
  }
  const char* security = cfg_getstr(section, "security");
  if (std::string_view(value).starts_with(kSctpScheme) && security != nullptr &&
      strcmp(security, "kdh") == 0) {
    cfg_error(cfg,
              "server %s: security = kdh is not for sctp://, which keeps no order; write gss, or "
              "tcp://",
              cfg_title(section));
    return -1;
  }
  return 0;
}

#define WORD(name) CFG_STR_CB(const_cast<char*>(name), nullptr, CFGF_NODEFAULT, on_value)
#define LIST(name) CFG_STR_LIST_CB(const_cast<char*>(name), nullptr, CFGF_NODEFAULT, on_value)

/*
 * The keywords, and nothing else, are what a file may say. For libconfuse a keyword is a value or a
 * section; `server` is the one that its file uses.
 */
struct Grammar {
  explicit Grammar(bool short_server) {
    if (short_server) root[0] = WORD("server");
  }
  static constexpr int kNamed = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
  cfg_opt_t server[11] = {WORD("address"),
                          WORD("principal"),
                          WORD("security"),
                          WORD("sandbox"),
                          WORD("owner"),
                          WORD("deadline"),
                          WORD("deadline-start"),
                          WORD("deadline-long"),
                          WORD("encoding"),
                          WORD("eager"),
                          CFG_END()};
  cfg_opt_t backend[14] = {WORD("module"),        LIST("environment"),
                           LIST("read"),          LIST("write"),
                           WORD("deadline"),      WORD("deadline-start"),
                           WORD("deadline-long"), WORD("memory-limit"),
                           WORD("file-limit"),    WORD("workers"),
                           WORD("sandbox"),       WORD("token-lock"),
                           WORD("lock-file"),     CFG_END()};
  cfg_opt_t root[4] = {CFG_SEC(const_cast<char*>("server"), server, kNamed),
                       CFG_SEC(const_cast<char*>("backend"), backend, kNamed), WORD("log-level"),
                       CFG_END()};
};

#undef WORD
#undef LIST

struct CfgFree {
  void operator()(cfg_t* cfg) const { cfg_free(cfg); }
};

/* "FILE:LINE" of that octet. */
std::string place(const std::string& path, const std::string& text, size_t at) {
  auto end = text.begin() + static_cast<ptrdiff_t>(std::min(at, text.size()));
  return path + ":" + std::to_string(1 + std::count(text.begin(), end, '\n'));
}

/*
 * Comments become blanks before libconfuse sees them, as it counts two lines for the end of each;
 * and what it takes in silence is told: a comment or a section without an end. `//` begins a
 * comment only where a word could begin, as for libconfuse.
 */
Result<std::string> blank_comments(const std::string& path, std::string text) {
  char before = ' ';
  std::vector<size_t> open;
  for (size_t i = 0; i < text.size();) {
    const bool at_word = strchr(" \t\r\n{}()=+,;", before) != nullptr;
    size_t end = i + 1;
    bool comment = false;
    if (text[i] == '"' || text[i] == '\'') {
      while (end < text.size() && text[end] != text[i]) end += text[end] == '\\' ? 2 : 1;
      end++;
    } else if (text[i] == '#' || (at_word && text.compare(i, 2, "//") == 0)) {
      comment = true;
      end = text.find('\n', i);
    } else if (at_word && text.compare(i, 2, "/*") == 0) {
      comment = true;
      end = text.find("*/", i + 2);
      if (end == std::string::npos)
        return Error{0, place(path, text, i) + ": this comment has no end; add */"};
      end += 2;
    }
    if (text[i] == '{') open.push_back(i);
    if (text[i] == '}' && !open.empty()) open.pop_back();
    end = std::min(end, text.size());
    before = comment ? ' ' : text[i];
    for (; i < end; i++)
      if (comment && text[i] != '\n') text[i] = ' ';
  }
  if (!open.empty()) return Error{0, place(path, text, open.back()) + ": this { has no }; add one"};
  return text;
}

/* Does a line begin with `server =`? */
bool has_short_server(const std::string& text) {
  for (size_t line = 0; line < text.size();) {
    size_t at = text.find_first_not_of(" \t", line);
    if (at != std::string::npos && text.compare(at, 6, "server") == 0) {
      at = text.find_first_not_of(" \t", at + 6);
      if (at != std::string::npos && text[at] == '=') return true;
    }
    size_t end = text.find('\n', line);
    if (end == std::string::npos) break;
    line = end + 1;
  }
  return false;
}

/* ---- from libconfuse's tree to ours ---- */

std::string text_of(cfg_t* section, const char* keyword, const char* otherwise = "") {
  const char* value = cfg_getstr(section, keyword);
  return value != nullptr ? value : otherwise;
}
uint32_t number_of(cfg_t* section, const char* keyword, uint32_t otherwise) {
  const char* value = cfg_getstr(section, keyword);
  uint32_t number = otherwise;
  if (value != nullptr) read_number(value, 0, UINT32_MAX, &number); /* on_value checked it */
  return number;
}
std::vector<std::string> list_of(cfg_t* section, const char* keyword) {
  std::vector<std::string> list;
  for (unsigned i = 0; i < cfg_size(section, keyword); i++)
    list.emplace_back(cfg_getnstr(section, keyword, i));
  return list;
}

BackendConfig with_defaults() {
  BackendConfig backend;
  backend.deadline_s = kDefaultDeadlineS;
  backend.deadline_start_s = kDefaultStartS;
  backend.deadline_long_s = kDefaultLongS;
  backend.files = kDefaultFiles;
  backend.workers = limits::kWorkers;
  return backend;
}

void collect_common(cfg_t* section, BackendConfig* backend) {
  backend->name = cfg_title(section);
  backend->deadline_s = number_of(section, "deadline", backend->deadline_s);
  backend->deadline_start_s = number_of(section, "deadline-start", backend->deadline_start_s);
  backend->deadline_long_s = number_of(section, "deadline-long", backend->deadline_long_s);
}

BackendConfig collect_library(cfg_t* section) {
  BackendConfig backend = with_defaults();
  collect_common(section, &backend);
  backend.kind = BackendKind::kLibrary;
  backend.module = text_of(section, "module");
  backend.environment = list_of(section, "environment");
  backend.read = list_of(section, "read");
  backend.write = list_of(section, "write");
  backend.memory_mib = number_of(section, "memory-limit", 0);
  backend.files = number_of(section, "file-limit", backend.files);
  backend.workers = number_of(section, "workers", backend.workers);
  backend.landlock = text_of(section, "sandbox", "full") == "full";
  backend.token_lock = text_of(section, "token-lock", "no") == "yes";
  backend.lock_file = text_of(section, "lock-file");
  return backend;
}

Result<BackendConfig> from_address(const std::string& address) {
  BackendConfig backend = with_defaults();
  backend.name = "server";
  if (Status parsed = parse_address(address, &backend); !parsed) return parsed.error();
  return backend;
}

Result<BackendConfig> collect_server(cfg_t* section) {
  Result<BackendConfig> backend = from_address(text_of(section, "address"));
  if (!backend) return backend;
  collect_common(section, &*backend);
  backend->principal = text_of(section, "principal");
  backend->security = text_of(section, "security", "");
  backend->encoding = text_of(section, "encoding", "der");
  backend->eager = text_of(section, "eager", "yes") == "yes";
  backend->owner = number_of(section, "owner", 0);
  backend->landlock = text_of(section, "sandbox", "full") == "full";
  return backend;
}

Status collect(cfg_t* root, bool short_server, ClientConfig* config) {
  std::vector<BackendConfig> found;
  for (unsigned i = 0; i < cfg_size(root, "backend"); i++)
    found.push_back(collect_library(cfg_getnsec(root, "backend", i)));
  for (unsigned i = 0; i < cfg_size(root, "server"); i++) {
    Result<BackendConfig> server = short_server ? from_address(cfg_getstr(root, "server"))
                                                : collect_server(cfg_getnsec(root, "server", i));
    if (!server) return server.error();
    found.push_back(*server);
  }
  if (found.size() > 1)
    return Error{0, "a server and a backend together are not built yet; keep one"};
  if (!found.empty()) config->backend = found[0];
  std::string log = text_of(root, "log-level");
  if (log == "quiet") config->log = LogChoice::kQuiet;
  if (log == "error") config->log = LogChoice::kError;
  if (log == "debug") config->log = LogChoice::kDebug;
  return ok();
}

/* ---- files ---- */

/* nullopt: there is no such file. */
Result<std::optional<std::string>> read_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return std::optional<std::string>();
  struct stat info;
  if (!fd || ::fstat(fd.get(), &info) != 0) return Error{errno, path + ": " + strerror(errno)};
  if (!S_ISREG(info.st_mode)) return Error{0, path + ": not a regular file"};
  if (info.st_uid != 0 && info.st_uid != ::geteuid())
    return Error{0, path + ": belongs to somebody else; use a file of your own or of root"};
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Error{0, path + ": others may write to it; run chmod go-w " + path};
  std::string text(kLongestFile + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{errno, path + ": " + strerror(errno)};
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  if (size > kLongestFile) return Error{0, path + ": too long"};
  if (text.find('\0') != std::string::npos) return Error{0, path + ": not a text file"};
  /* libconfuse replaces ${NAME} by the environment's value, which is not to be believed then. */
  if (::getauxval(AT_SECURE) != 0 && text.find("${") != std::string::npos)
    return Error{0, path + ": ${...} cannot be used by a set-id application"};
  return std::optional<std::string>(std::move(text));
}

Status parse_file(const std::string& path, const std::string& text, ClientConfig* config) {
  Result<std::string> bare = blank_comments(path, text);
  if (!bare) return bare.error();
  const bool short_server = has_short_server(*bare);
  auto grammar = std::make_unique<Grammar>(short_server);
  std::unique_ptr<cfg_t, CfgFree> cfg(cfg_init(grammar->root, CFGF_NONE));
  if (!cfg) return Error{ENOMEM, path + ": out of memory"};
  cfg_set_error_function(cfg.get(), on_error);
  cfg_set_validate_func(cfg.get(), "backend", on_section);
  if (!short_server) cfg_set_validate_func(cfg.get(), "server", on_section);
  std::string error;
  first_error = &error;
  int parsed = cfg_parse_buf(cfg.get(), bare->c_str());
  first_error = nullptr;
  if (parsed != CFG_SUCCESS)
    return Error{0, path + ":" + (error.empty() ? "1: not understood" : error)};
  if (Status collected = collect(cfg.get(), short_server, config); !collected)
    return Error{0, path + ": " + collected.error().text};
  return ok();
}

}  // namespace

Status parse_address(const std::string& text, BackendConfig* backend) {
  if (text.starts_with("unix:///")) {
    backend->kind = BackendKind::kLocal;
    backend->path = text.substr(strlen("unix://"));
    if (backend->path.size() < 108) return ok(); /* sockaddr_un */
    return Error{0, "the path of a socket has at most 107 octets"};
  }
  Result<ServerAddress> address = parse_server_address(text);
  if (!address) return Error{0, std::string("write ") + kServerForm + ", or unix:///PATH"};
  backend->kind = BackendKind::kRemote;
  backend->address = std::move(address->place);
  backend->sctp = address->sctp;
  return ok();
}

ConfigPlaces config_places() {
  ConfigPlaces places;
  places.system_file = MP11_SYSCONFDIR "/multip11.conf";
  const char* home = ::secure_getenv("HOME");
  const char* config = ::secure_getenv("XDG_CONFIG_HOME");
  if (config != nullptr && config[0] == '/')
    places.user_file = std::string(config) + "/multip11/multip11.conf";
  else if (home != nullptr && home[0] == '/')
    places.user_file = std::string(home) + "/.config/multip11/multip11.conf";
  if (const char* only = ::secure_getenv("MULTIP11_CONFIG")) places.only_file = only;
  if (const char* server = ::secure_getenv("MULTIP11_SERVER")) places.server = server;
  return places;
}

namespace {

Result<ClientConfig> load_all(const ConfigPlaces& places) {
  ClientConfig config;
  std::vector<std::string> files = {places.system_file, places.user_file};
  if (!places.only_file.empty()) files = {places.only_file};
  for (const std::string& path : files) {
    if (path.empty()) continue;
    Result<std::optional<std::string>> text = read_file(path);
    if (!text) return text.error();
    if (!text->has_value() && !places.only_file.empty())
      return Error{ENOENT, "MULTIP11_CONFIG: there is no file " + path};
    if (!text->has_value()) continue;
    if (Status parsed = parse_file(path, **text, &config); !parsed) return parsed.error();
  }
  if (!places.server.empty()) {
    Result<BackendConfig> server = from_address(places.server);
    if (!server) return Error{0, "MULTIP11_SERVER=" + places.server + ": " + server.error().text};
    /* Its principal and deadlines stand in the file, where that names the same server. */
    bool same = config.backend && config.backend->kind == server->kind &&
                config.backend->address == server->address &&
                config.backend->sctp == server->sctp && config.backend->path == server->path;
    if (!same) config.backend = *server;
  }
  return config;
}

}  // namespace

/* What the error quotes may hold line breaks, and forge a line of the log. */
Result<ClientConfig> load_config(const ConfigPlaces& places) {
  Result<ClientConfig> config = load_all(places);
  if (config) return config;
  Error error = config.error();
  for (char& c : error.text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return error;
}

}  // namespace mp11::client
