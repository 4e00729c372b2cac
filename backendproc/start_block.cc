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
#include "start_block.h"

#include <charconv>

#include "key_lines.h"
#include "os_memfd.h"

namespace mp11 {
namespace {

constexpr size_t kLongest = 256u << 10;

bool parse_number(std::string_view text, uint64_t most, uint64_t* value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && *value <= most;
}

bool parse_choice(std::string_view text, const char* yes, const char* no, bool* value) {
  *value = text == yes;
  return *value || text == no;
}

/* `env.0` and its like: the numbers count up from 0. */
bool parse_item(std::string_view index, std::string_view value, std::vector<std::string>* list) {
  uint64_t number;
  if (!parse_number(index, 4095, &number) || number != list->size() || value.empty()) return false;
  list->emplace_back(value);
  return true;
}

bool parse_line(std::string_view key, std::string_view value, StartBlock* block) {
  uint64_t number;
  if (key.starts_with("env."))
    return value.find('=') != std::string_view::npos &&
           parse_item(key.substr(4), value, &block->environment);
  if (key.starts_with("read.")) return parse_item(key.substr(5), value, &block->read);
  if (key.starts_with("write.")) return parse_item(key.substr(6), value, &block->write);
  if (key == "module") {
    block->module = value;
    return value.starts_with('/');
  }
  if (key == "name") {
    block->name = value;
    return !value.empty();
  }
  if (key == "directory") {
    block->directory = value;
    return value.starts_with('/');
  }
  if (key == "skeleton") {
    block->skeleton = value;
    return value.starts_with('/');
  }
  if (key == "memory") return parse_number(value, 1u << 30, &block->memory_mib);
  if (key == "files") return parse_number(value, 1u << 20, &block->files);
  if (key == "workers") {
    if (!parse_number(value, limits::kWorkers, &number) || number == 0) return false;
    block->workers = static_cast<unsigned>(number);
    return true;
  }
  if (key == "sandbox") return parse_choice(value, "full", "seccomp-only", &block->landlock);
  if (key == "prestart") return parse_choice(value, "yes", "no", &block->prestart);
  if (key == "erase") return parse_choice(value, "yes", "no", &block->erase);
  if (key == "owner") return parse_choice(value, "pidfd", "none", &block->owner);
  return false;
}

}  // namespace

Result<StartBlock> parse_start_block(std::string_view text) {
  StartBlock block;
  unsigned line = for_each_key(text, [&block](std::string_view key, std::string_view value) {
    return parse_line(key, value, &block);
  });
  if (line != 0) return Error{0, "start block, line " + std::to_string(line) + ": not understood"};
  if (block.erase && (block.directory.empty() || !block.module.empty()))
    return Error{0, "start block: erase is for a directory, and loads no module"};
  if (block.module.empty() && !block.erase) return Error{0, "start block: no module"};
  if (block.name.empty()) block.name = "backend";
  return block;
}

Result<StartBlock> read_start_block(int fd) {
  Result<SecureBuffer> text = read_sealed_memfd(fd, kLongest);
  if (!text) return Error{text.error().code, "start block: " + text.error().text};
  return parse_start_block({reinterpret_cast<const char*>(text->data()), text->size()});
}

}  // namespace mp11
