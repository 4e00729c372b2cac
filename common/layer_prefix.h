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
 * What a layer shows before the CKA_LABEL and CKA_ID of its objects, and takes off again: the
 * attributes of templates changed, and nothing else. SessionMonitor says when (session_rewrite.cc).
 *
 * To a client an object has the prefix and behind it what the library has, or nothing where that is
 * empty. So what is exactly the prefix, or does not begin with it, is the name of no object there.
 *
 * A template within a template (CKA_UNWRAP_TEMPLATE and its like) that names what has a prefix is
 * neither taken nor shown.
 *
 * Trust: prefixes are the configuration's. Attributes that clients name are whatever they like;
 * attributes that a library tells are, too: their lengths are checked before anything is added.
 */
#pragma once
#include <string>

#include "cryptoki.h"
#include "records.h"

namespace mp11 {

inline bool has_prefix(const LayerPrefix& prefix) {
  return prefix.label_size != 0 || prefix.id_size != 0;
}
[[nodiscard]] bool prefix_is_good(const LayerPrefix& prefix);
/* For people: the text, and lower-case hexadecimal digits. */
std::string label_prefix(const LayerPrefix& prefix);
std::string id_prefix_hex(const LayerPrefix& prefix);

/*
 * Whether an object of the layer can have all of these attributes. once: and none that has a prefix
 * is named twice.
 */
bool prefix_fits(const LayerPrefix& prefix, const CK_ATTRIBUTE* attributes, CK_ULONG count,
                 bool once);
/* Takes the prefixes off; of attributes that fit. True: there was something to take off. */
bool take_prefix_off(const LayerPrefix& prefix, CK_ATTRIBUTE* attributes, CK_ULONG count);

/*
 * C_GetAttributeValue: makes of the client's query what the library is asked, with room for what it
 * has itself; where the prefix alone is too long for the client, only for its length. True: the
 * answer has to be given to show_prefix.
 */
bool make_room_for_prefix(const LayerPrefix& prefix, CK_ATTRIBUTE* query, CK_ULONG count);
/*
 * Makes of the library's answer to that query the answer to the client's own, which has as many
 * attributes, of the same types, and its buffers. Both lie in one CallArena. The value to answer
 * with: as the library's, or what a library would say that has such labels; CKR_DEVICE_ERROR for
 * lengths that cannot be.
 */
CK_RV show_prefix(const LayerPrefix& prefix, const CK_ATTRIBUTE* answer, CK_RV rv,
                  CK_ATTRIBUTE* query, CK_ULONG count);

}  // namespace mp11
