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
#include "conform_call.h"

#include <algorithm>
#include <cstring>

namespace mp11::conform {
namespace {

/* Both directions are one description: Archive is a Writer or a Reader. */
class Writer {
 public:
  explicit Writer(Bytes* out) : out_(out) {}
  template <class T>
  void number(T& value) {
    auto wide = static_cast<uint64_t>(value);
    /* Seven bits an octet: most numbers are small. */
    while (wide >= 0x80) {
      out_->push_back(static_cast<uint8_t>(wide | 0x80));
      wide >>= 7;
    }
    out_->push_back(static_cast<uint8_t>(wide));
  }
  void bytes(Bytes& value) {
    size_t size = value.size();
    number(size);
    out_->insert(out_->end(), value.begin(), value.end());
  }
  template <class T>
  bool resize(std::vector<T>& list) {
    size_t size = list.size();
    number(size);
    return true;
  }

 private:
  Bytes* out_;
};

class Reader {
 public:
  Reader(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
  template <class T>
  void number(T& value) {
    uint64_t wide = 0;
    for (unsigned shift = 0;; shift += 7) {
      if (at_ == end_ || shift > 63) {
        ok_ = false;
        break;
      }
      uint8_t octet = *at_++;
      wide |= uint64_t{octet & 0x7fu} << shift;
      if (octet < 0x80) break;
    }
    value = static_cast<T>(wide);
  }
  void bytes(Bytes& value) {
    size_t size = 0;
    number(size);
    if (!ok_ || size > static_cast<size_t>(end_ - at_)) {
      ok_ = false;
      return;
    }
    value.assign(at_, at_ + size);
    at_ += size;
  }
  template <class T>
  bool resize(std::vector<T>& list) {
    size_t size = 0;
    number(size);
    ok_ = ok_ && size <= static_cast<size_t>(end_ - at_); /* an element takes an octet or more */
    if (ok_) list.resize(size);
    return ok_;
  }
  bool end() const { return ok_ && at_ == end_; }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
  bool ok_ = true;
};

template <class Archive, class T>
void list(Archive& a, std::vector<T>& values) {
  if (!a.resize(values)) return;
  for (T& value : values) visit(a, value);
}

template <class Archive>
void visit(Archive& a, uint64_t& value) {
  a.number(value);
}
template <class Archive>
void visit(Archive& a, Ref& r) {
  a.number(r.var);
  a.number(r.literal);
}
template <class Archive>
void visit(Archive& a, Octets& o) {
  a.number(o.kind);
  a.number(o.size);
  a.number(o.seed);
  a.number(o.output);
  a.bytes(o.data);
}
template <class Archive>
void visit(Archive& a, Attribute& t) {
  a.number(t.type);
  a.number(t.nested);
  visit(a, t.value);
  list(a, t.inner);
}
template <class Archive>
void visit(Archive& a, Field& f) {
  a.number(f.number);
  visit(a, f.handle);
  visit(a, f.octets);
  a.number(f.null);
  list(a, f.inner);
}
template <class Archive>
void visit(Archive& a, Mechanism& m) {
  a.number(m.type);
  a.number(m.form);
  visit(a, m.octets);
  a.number(m.number);
  visit(a, m.handle);
  a.number(m.layout);
  list(a, m.fields);
  a.number(m.length);
}
template <class Archive>
void visit(Archive& a, Arg& g) {
  a.number(g.null);
  a.number(g.null_length);
  visit(a, g.ref);
  a.number(g.number);
  a.number(g.room);
  visit(a, g.octets);
  visit(a, g.mechanism);
  list(a, g.attributes);
}
template <class Archive>
void visit(Archive& a, Call& c);
template <class Archive>
void visit(Archive& a, std::vector<Call>& calls) {
  list(a, calls);
}
template <class Archive>
void visit(Archive& a, Call& c) {
  a.number(c.function);
  a.number(c.thread);
  a.number(c.probe);
  a.number(c.binds);
  a.number(c.output);
  list(a, c.args);
  list(a, c.threads);
}
template <class Archive>
void visit(Archive& a, Out& o) {
  a.number(o.length);
  a.bytes(o.data);
  list(a, o.numbers);
  list(a, o.inner);
}
template <class Archive>
void visit(Archive& a, Reply& r);
template <class Archive>
void visit(Archive& a, std::vector<Reply>& replies) {
  list(a, replies);
}
template <class Archive>
void visit(Archive& a, Reply& r) {
  a.number(r.rv);
  list(a, r.outs);
  list(a, r.threads);
}

}  // namespace

uint64_t Random::next() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

Bytes pattern(uint64_t seed, uint64_t size) {
  Random random(seed);
  Bytes bytes(static_cast<size_t>(size));
  for (size_t at = 0; at < bytes.size(); at += 8) {
    uint64_t word = random.next();
    std::memcpy(bytes.data() + at, &word, std::min(sizeof word, bytes.size() - at));
  }
  return bytes;
}

void write_call(const Call& call, Bytes* out) {
  Writer writer(out);
  visit(writer, const_cast<Call&>(call)); /* a Writer changes nothing */
}
void write_reply(const Reply& reply, Bytes* out) {
  Writer writer(out);
  visit(writer, const_cast<Reply&>(reply));
}
bool read_call(const uint8_t* data, size_t size, Call* call) {
  Reader reader(data, size);
  visit(reader, *call);
  return reader.end();
}
bool read_reply(const uint8_t* data, size_t size, Reply* reply) {
  Reader reader(data, size);
  visit(reader, *reply);
  return reader.end();
}

}  // namespace mp11::conform
