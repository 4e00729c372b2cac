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
 * Foresight: what multip11-remote knows ahead of the application's calls, and answers without the
 * server (PROTOCOL, Fewer round trips). It sees each call before it goes and each return before it
 * is given.
 *
 * What it answers is what the server would. Values and lengths are good for the very next call of
 * their session, for a second, and until any call that may change objects or logins. Handles of a
 * search are not knowledge but its results: the server has given them out, and they are kept until
 * the application has them or ends the search.
 *
 * Trust: the codec has seen to it that the server sent no more than was asked for. Values may be
 * keys that the application is about to read: they are in SecureBuffers, wiped as soon as they are
 * of no use.
 */
#pragma once
#include <optional>
#include <unordered_map>
#include <vector>

#include "codec.h"

namespace mp11 {

class Foresight {
 public:
  /* One call, from when it is taken until its return has come. It stays where it is. */
  struct Asking {
    const FunctionRow* row = nullptr;
    Words* words = nullptr;
    Ahead ahead;           /* take() says how much of it to ask for */
    CK_RV answer = CKR_OK; /* unless it is the server's */

   private:
    friend class Foresight;
    uint64_t epoch = 0;
    bool disturbed = false;               /* another call of the session was made meanwhile */
    std::vector<CK_OBJECT_HANDLE> joined; /* in hand, before those that the server is asked for */
  };

  /* Who answers. kBoth: it is answered here, and made all the same; its return is for nobody. */
  enum class Way { kServer, kHere, kBoth };

  /* Whether the server has what it takes; nothing is done before. */
  void use(bool eager, bool output_len) {
    eager_ = eager;
    output_len_ = output_len;
  }

  /*
   * Unless kServer, asking->answer is it, and what the words point to is as it makes it. may_post:
   * there is room for a call whose answer nobody waits for, so that it may be kBoth; of such a one
   * nothing more is to be told.
   */
  Way take(Asking* asking, bool may_post, uint64_t now_ns);
  /* The return of a call that went to the server. */
  void came(Asking* asking, CK_RV rv, uint64_t now_ns);
  /* Of one that did not go after all. */
  void withdraw(Asking* asking);

  /* Wipes what is too old; when that is next, UINT64_MAX for never. */
  uint64_t expire(uint64_t now_ns);

 private:
  struct Search {
    std::vector<CK_OBJECT_HANDLE> handles; /* in hand */
    bool complete = false;                 /* and there are no more */
    uint64_t epoch = 0;
  };
  struct Attribute {
    CK_ATTRIBUTE_TYPE type = 0;
    CK_ULONG length = CK_UNAVAILABLE_INFORMATION;
    size_t at = 0; /* in octets; not when there is no length */
  };
  struct Values {
    CK_OBJECT_HANDLE object = 0;
    CK_RV rv = CKR_OK;
    std::vector<Attribute> attributes;
    SecureBuffer octets;
  };
  struct Session {
    CK_SLOT_ID slot = 0;
    std::optional<Search> search;
    /* Good for the next call: */
    std::optional<Values> values;
    std::optional<CK_ULONG> output_len;
    uint32_t ends_with = 0; /* the function that output_len is of */
    uint64_t since_ns = 0, epoch = 0;
    void forget() {
      values.reset();
      output_len.reset();
    }
  };

  Session* session_of(const Asking& asking);
  bool fresh(const Session& session, uint64_t now_ns) const;
  bool alone(Asking* asking);
  Way take_in_session(Session* session, Asking* asking, bool alone, bool may_post, uint64_t now_ns);
  Way give_length(const Session& session, const Asking* asking);
  Way find(Session* session, Asking* asking);
  Way give_values(const Values& values, const Words& words);
  void came_in_session(Session* session, Asking* asking, CK_RV rv, uint64_t now_ns);
  void rejoin(Session* session, Asking* asking, CK_RV rv);
  void learn_values(Session* session, const Asking& asking, CK_RV rv);
  void opened_or_closed(const Asking& asking, CK_RV rv);
  void opened(CK_SESSION_HANDLE handle, CK_SLOT_ID slot);
  void changed();

  bool eager_ = false, output_len_ = false;
  uint64_t epoch_ = 0; /* counts what may have changed objects or logins */
  std::unordered_map<CK_SESSION_HANDLE, Session> sessions_;
  std::vector<Asking*> flying_;
};

}  // namespace mp11
