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
 * What mechanism parameters give back, in a reply; and what a call's parameter says of the objects
 * that it makes.
 *
 * Trust: Unpacker believes nothing of a reply: it writes where the caller's own structure has room
 * and nowhere else. Packer believes the structure, which unpack_call made for the library.
 */
#include "marshal_parts.h"
#include "p11_params.h"
#include "param_walk.h"

namespace mp11 {
namespace {

struct OutputPacker {
  CK_RV rv;
  std::vector<uint64_t>* list;
  PackWriter* out;
  bool believable = true;

  bool operator()(const ParamStruct&, const ParamField& f, void* base, CK_ULONG outer) {
    if (f.way == Way::kIn) return true;
    const uint8_t* at = static_cast<const uint8_t*>(base) + f.offset;
    const bool ok = rv == CKR_OK;
    switch (f.kind) {
      case FieldKind::kUlong:
        out->u64(wide(load<CK_ULONG>(at, 0)));
        return true;
      case FieldKind::kOctet:
        out->u8(*at);
        return true;
      case FieldKind::kHandle:
        if (ok) list->push_back(wide(load<CK_OBJECT_HANDLE>(at, 0)));
        return true;
      default:
        break;
    }
    const auto* p = load<const uint8_t*>(at, 0);
    if (f.kind == FieldKind::kHandleAt) {
      if (ok && p != nullptr) list->push_back(wide(load<CK_OBJECT_HANDLE>(p, 0)));
    } else if (f.kind == FieldKind::kRoom) {
      out->u8(p != nullptr);
      if (p != nullptr) out->u64(wide(load<CK_ULONG>(p, 0)));
    } else {
      bytes(f, p, ok, base, outer);
    }
    return believable;
  }

  void bytes(const ParamField& f, const uint8_t* p, bool ok, const void* base, CK_ULONG outer) {
    const bool has = ok && p != nullptr;
    const CK_ULONG room = has ? CallArena::room(p) : 0;
    const CK_ULONG length = has && length_written(f) ? length_of(f, base, outer) : room;
    believable = length <= room;
    out->u8(has);
    if (has && believable) out->octets(p, length);
  }
};

struct OutputUnpacker {
  PackReader* in;
  bool ok; /* the call was CKR_OK */
  const std::vector<uint64_t>& list;
  size_t* list_used;
  ToldLength told = {};

  bool operator()(const ParamStruct&, const ParamField& f, void* base, CK_ULONG outer) {
    if (f.way == Way::kIn) return true;
    uint8_t* at = static_cast<uint8_t*>(base) + f.offset;
    switch (f.kind) {
      case FieldKind::kUlong:
        return number(f, base, at);
      case FieldKind::kOctet: {
        const uint8_t octet = in->u8();
        if (in->ok() && ok) write_back(f, at, &octet, 1);
        return in->ok();
      }
      case FieldKind::kHandle:
        return !ok || handle(at);
      default:
        break;
    }
    auto* p = load<uint8_t*>(at, 0);
    if (f.kind == FieldKind::kHandleAt) return !ok || p == nullptr || handle(p);
    if (f.kind == FieldKind::kRoom)
      return in->flag() == (p != nullptr) && (p == nullptr || number(f, base, p));
    const bool wanted = ok && p != nullptr;
    if (in->flag() != wanted) return false;
    return !wanted || bytes(f, base, p, length_of(f, base, outer));
  }

  /* Lengths are told with every value that carries results. */
  bool number(const ParamField& f, const void* base, uint8_t* at) {
    CK_ULONG narrow;
    if (!narrow_ulong(in->u64(), &narrow) || !in->ok()) return false;
    if (!told.agrees(f, base, narrow)) return false;
    write_back(f, at, &narrow, sizeof narrow);
    return true;
  }

  bool handle(uint8_t* at) {
    CK_OBJECT_HANDLE narrow;
    if (*list_used >= list.size() || !narrow_ulong(list[*list_used], &narrow)) return false;
    (*list_used)++;
    store(at, 0, narrow);
    return true;
  }

  /* All of the room where no length is told. */
  bool bytes(const ParamField& f, const void* base, uint8_t* p, CK_ULONG room) {
    std::span<const uint8_t> octets = in->octets();
    if (!in->ok() || octets.size() > room) return false;
    if (!length_written(f) && octets.size() != room) return false;
    write_back(f, p, octets.data(), octets.size());
    told.came(f, base, octets.size());
    return true;
  }
};

/* Structure and parameter of a call's mechanism, where the table has a structure for it. */
const ParamStruct* parameter_struct(const CK_MECHANISM& mechanism) {
  const MechanismRow* row = mechanism_row(mechanism.mechanism);
  if (row == nullptr || mechanism.pParameter == nullptr) return nullptr;
  return param_struct(*row, mechanism.ulParameterLen);
}

/*
 * Whether a library writes key material in the clear there. The IVs of a key block are octets of
 * it, as many as the caller says, and with keys of length 0 they are all of it. What is unwrapped
 * beside a key (pX of CKM_KEY_WRAP_SET_OAEP) is as secret as the caller's block made it.
 */
bool gives_key_octets(const ParamField& f, const uint8_t* at, CK_ULONG outer) {
  if (f.kind != FieldKind::kBytes) return false;
  if (f.length == LengthIs::kPointed) return true;
  if (f.length == LengthIs::kOctets) return f.way != Way::kIn && load<void*>(at, 0) != nullptr;
  return f.length == LengthIs::kOuter && outer != 0 && load<void*>(at, 0) != nullptr;
}

struct FactReader {
  ParameterFacts* facts;
  unsigned depth = 0;

  bool operator()(const ParamStruct& layout, const ParamField& f, void* base, CK_ULONG outer) {
    uint8_t* at = static_cast<uint8_t*>(base) + f.offset;
    if (f.kind == FieldKind::kHandle && f.way == Way::kOut) facts->handles.push_back({});
    if (gives_key_octets(f, at, outer)) facts->gives_octets = true;
    if (f.kind == FieldKind::kTemplate) {
      uint8_t* length = static_cast<uint8_t*>(base) + f.length_offset;
      facts->templates.push_back({at, length});
      for (const ParamField& other : layout.fields)
        if (other.kind == FieldKind::kHandleAt && load<void*>(base, other.offset) != nullptr)
          facts->handles.push_back(facts->templates.size() - 1);
    }
    if (f.kind == FieldKind::kMechanism)
      if (const auto* inner = load<const CK_MECHANISM*>(at, 0)) read(*inner);
    return true;
  }

  void read(const CK_MECHANISM& mechanism) {
    facts->mechanisms.push_back(mechanism.mechanism);
    const ParamStruct* layout = parameter_struct(mechanism);
    if (layout == nullptr || depth > limits::kDepth) return;
    depth++;
    walk_members(*layout, mechanism.pParameter, 0, *this);
    depth--;
  }
};

}  // namespace

bool pack_mechanism_outputs(const CK_MECHANISM* mechanism, CK_RV rv, std::vector<uint64_t>* list,
                            PackWriter* out) {
  const ParamStruct* layout = output_struct(mechanism);
  if (layout == nullptr) return true;
  OutputPacker packer{rv, list, out};
  return walk_members(*layout, mechanism->pParameter, 0, packer);
}

bool unpack_mechanism_outputs(PackReader* in, bool ok, const std::vector<uint64_t>& list,
                              size_t* list_used, const CK_MECHANISM* mechanism) {
  const ParamStruct* layout = output_struct(mechanism);
  if (layout == nullptr) return true;
  OutputUnpacker unpacker{in, ok, list, list_used};
  return walk_members(*layout, mechanism->pParameter, 0, unpacker);
}

ParameterFacts parameter_facts(const FunctionRow& row, const Words& words) {
  ParameterFacts facts;
  FactReader reader{&facts};
  for (unsigned i = 0; i < row.arg_count; i++) {
    if (row.args[i].kind != ArgKind::kMechanism) continue;
    if (const auto* m = reinterpret_cast<const CK_MECHANISM*>(words.w[row.args[i].first]))
      reader.read(*m);
  }
  return facts;
}

const CK_ATTRIBUTE* ParameterFacts::Template::attributes() const {
  return load<const CK_ATTRIBUTE*>(at, 0);
}
CK_ULONG ParameterFacts::Template::count() const { return load<CK_ULONG>(length, 0); }
void ParameterFacts::Template::replace(CK_ATTRIBUTE* attributes, CK_ULONG count) const {
  store(at, 0, attributes);
  store(length, 0, count);
}

}  // namespace mp11
