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
 * `multip11 encode` and `multip11 decode`, for people who look into connections: messages of Remote
 * PKCS #11 from one encoding into another, one after the other.
 *
 * Trust: the input is whatever was recorded, from anybody. It goes through the parsers that read
 * from the network, and what is printed of it is their text.
 */
#include "convert_command.h"

#include <getopt.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "der_shape.h"
#include "mp11_limits.h"
#include "text.h"

namespace mp11::client {
namespace {

constexpr char kUsage[] =
    "usage: multip11 encode [-x] [--from der|xer|jer] [--to der|xer|jer] [FILE]\n"
    "       multip11 decode [-x] [--from der|xer|jer] [--to der|xer|jer] [FILE]\n";
constexpr int kFailed = 1, kUnusable = 2;
/* Octets of input: what is longer is no recording of a few messages. */
constexpr size_t kMostInput = 4 * limits::kTextMessage;

struct Options {
  std::optional<Encoding> from; /* else as each message begins */
  Encoding to = Encoding::kDer;
  bool hexadecimal = false; /* DER as a line of hexadecimal digits */
  const char* file = nullptr;
};

int complain(const char* command, const std::string& what) {
  std::fprintf(stderr, "multip11 %s: %s\n", command, what.c_str());
  return kFailed;
}

bool parse_arguments(int argc, char** argv, Options* options) {
  const option kOptions[] = {{"from", required_argument, nullptr, 'f'},
                             {"to", required_argument, nullptr, 't'},
                             {"hex", no_argument, nullptr, 'x'},
                             {}};
  options->to = std::strcmp(argv[0], "decode") == 0 ? Encoding::kJer : Encoding::kDer;
  int letter;
  while ((letter = ::getopt_long(argc, argv, "x", kOptions, nullptr)) != -1) {
    if (letter == 'x') {
      options->hexadecimal = true;
      continue;
    }
    if (letter != 'f' && letter != 't') return false;
    const std::optional<Encoding> encoding = encoding_named(optarg);
    if (!encoding) return false;
    if (letter == 'f')
      options->from = encoding;
    else
      options->to = *encoding;
  }
  if (optind < argc) options->file = argv[optind++];
  return optind == argc;
}

bool read_all(const Options& options, SecureBuffer* input, std::string* problem) {
  const bool standard = options.file == nullptr || std::strcmp(options.file, "-") == 0;
  FILE* file = standard ? stdin : std::fopen(options.file, "rbe");
  const std::string name = standard ? "standard input" : options.file;
  if (file == nullptr) {
    *problem = name + ": " + std::strerror(errno);
    return false;
  }
  uint8_t part[16384];
  size_t size;
  while ((size = std::fread(part, 1, sizeof part, file)) > 0 && input->size() + size <= kMostInput)
    input->append(part, size);
  if (size > 0)
    *problem = name + ": more than " + std::to_string(kMostInput) + " octets";
  else if (std::ferror(file) != 0)
    *problem = name + ": " + std::strerror(errno);
  if (!standard) std::fclose(file);
  return problem->empty();
}

int digit_of(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int letter = c | 0x20;
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}
bool is_blank(uint8_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* Digits to octets, in the same memory. */
bool from_hexadecimal(SecureBuffer* input) {
  size_t digits = 0;
  for (const uint8_t c : input->span()) {
    if (is_blank(c)) continue;
    const int digit = digit_of(c);
    if (digit < 0) return false;
    uint8_t& octet = input->data()[digits / 2];
    octet = static_cast<uint8_t>(digits % 2 == 0 ? digit : octet << 4 | digit);
    digits++;
  }
  input->resize(digits / 2);
  return digits % 2 == 0;
}

class Converter {
 public:
  Converter(const char* command, const Options& options) : command_(command), options_(options) {}

  int run() {
    std::string problem;
    if (options_.hexadecimal == false && options_.to == Encoding::kDer && ::isatty(1) != 0)
      return complain(command_, "DER is nothing for a terminal: send it elsewhere, or take --hex");
    if (!read_all(options_, &input_, &problem)) return complain(command_, problem);
    if (options_.hexadecimal && is_der_input() && !from_hexadecimal(&input_))
      return complain(command_, "the input is not pairs of hexadecimal digits");
    int status = 0;
    while (next() && status == 0) status = convert();
    if (status == 0 && std::fflush(stdout) != 0)
      return complain(command_, std::string("cannot write: ") + std::strerror(errno));
    return status;
  }

 private:
  /* With --hex: DER comes as digits unless a text is announced, or begins. */
  bool is_der_input() const {
    if (options_.from) return *options_.from == Encoding::kDer;
    size_t i = 0;
    while (i < input_.size() && is_blank(input_.data()[i])) i++;
    return i == input_.size() || (input_.data()[i] != '<' && input_.data()[i] != '{');
  }

  /* Passes blanks between messages; false when there is nothing more. */
  bool next() {
    while (at_ < input_.size() && is_blank(input_.data()[at_])) at_++;
    return at_ < input_.size();
  }
  std::span<const uint8_t> rest() const { return input_.span().subspan(at_); }
  int refuse(size_t offset, const char* what) {
    return complain(command_, "octet " + std::to_string(at_ + offset) + ": " + what);
  }

  int convert() {
    const std::optional<Encoding> from = options_.from ? options_.from : encoding_of(rest()[0]);
    if (!from) return refuse(0, "neither DER nor XER nor JER; frames must be taken apart first");
    arena_.clear();
    return *from == Encoding::kDer ? from_der() : from_text(*from);
  }

  int from_der() {
    size_t total = 0;
    switch (der_frame(rest(), limits::kMessage, &total)) {
      case DerFrame::kKnown:
        break;
      case DerFrame::kMore:
        return refuse(0, "the message is not complete");
      case DerFrame::kBad:
        return refuse(0, "no message in DER");
      case DerFrame::kTooLarge:
        return refuse(0, "a message that is too large");
    }
    if (total > rest().size()) return refuse(0, "the message is not complete");
    const auto message = rest().first(total);
    if (DerError shape = der_shape(message); shape != DerError::kNone)
      return refuse(0, der_error_text(shape));
    const int status = put(message);
    at_ += total;
    return status;
  }

  int from_text(Encoding from) {
    const auto* end = static_cast<const uint8_t*>(std::memchr(rest().data(), '\n', rest().size()));
    /* One message a line; a file with one message may have more lines. */
    size_t size = end == nullptr ? rest().size() : static_cast<size_t>(end - rest().data());
    TextError error;
    TextStatus status = text_to_der(from, rest().first(size), &arena_, &der_, &error);
    if (status == TextStatus::kSyntax && error.offset >= size && size < rest().size()) {
      size = rest().size();
      arena_.clear();
      status = text_to_der(from, rest(), &arena_, &der_, &error);
    }
    if (status == TextStatus::kOpcode) return refuse(0, "an operation that there is not");
    if (status != TextStatus::kOk) return refuse(error.offset, error.what);
    const int put_status = put(der_.span());
    at_ += size;
    return put_status;
  }

  int put(std::span<const uint8_t> der) {
    if (options_.to != Encoding::kDer) {
      CallArena arena;
      if (!der_to_text(options_.to, der, &arena, &text_))
        return refuse(0, "a message of another module, or of an operation that is not known");
      std::fwrite(text_.data(), 1, text_.size(), stdout);
    } else if (options_.hexadecimal) {
      for (const uint8_t octet : der) std::printf("%02x", octet);
      std::putchar('\n');
    } else {
      std::fwrite(der.data(), 1, der.size(), stdout);
    }
    return std::ferror(stdout) != 0
               ? complain(command_, std::string("cannot write: ") + std::strerror(errno))
               : 0;
  }

  const char* command_;
  const Options& options_;
  SecureBuffer input_, der_, text_;
  size_t at_ = 0;
  CallArena arena_;
};

}  // namespace

int convert_main(int argc, char** argv) {
  Options options;
  if (!parse_arguments(argc, argv, &options)) {
    std::fputs(kUsage, stderr);
    return kUnusable;
  }
  return Converter(argv[0], options).run();
}

}  // namespace mp11::client
