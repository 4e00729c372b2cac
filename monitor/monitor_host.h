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
 * What SessionMonitor is given, the portfolio, and what it asks of whoever runs it.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "records.h"
#include "secure_buffer.h"

namespace mp11 {

/* What SessionMonitor asks of its host outside of a call's own steps. None may call back into it.
 */
class MonitorHost {
 public:
  virtual ~MonitorHost() = default;
  /* Gives back the lock of that backend. */
  virtual void unlock(uint32_t backend) = 0;
  /* Ends that backend's process, also one that is being started; backend_gone() need not follow. */
  virtual void end_backend(uint32_t backend) = 0;
  /* Something happened that calls which got kWait were waiting for. */
  virtual void changed() = 0;
  /* A layer's filter has refused something, or would have (audit). For the log. */
  struct Filtered {
    const char* token;     /* its label */
    size_t layer;          /* its number within the token, from 1 */
    const char* function;  /* of the client's call */
    const char* objection; /* what it was about, in a few words */
    bool audit;
  };
  virtual void filtered(const Filtered& what) = 0;
  /* A layer of a token that has others is left out from now on, or is there again. For the log. */
  struct LayerState {
    const char* token;   /* its label */
    size_t layer;        /* its number within the token, from 1 */
    const char* backend; /* its name */
    bool there;
    uint64_t rv;     /* CKR_ value: why it is not */
    uint64_t slot;   /* of the token */
    uint32_t number; /* of the backend */
  };
  virtual void layer_changed(const LayerState& state) = 0;
  /*
   * Tokens on demand: asks the vault whether the token of that id may be made, and tells it how
   * that went (pin_size 0: it could not be). make_answered() follows each, but not from within.
   */
  virtual void ask_to_make(const char* id) = 0;
  virtual void tell_made(const char* id, uint32_t pin_size) = 0;
  /* The client acts as another identity, no longer does, or was refused. For the log. */
  struct Acting {
    enum class What { kBegun, kEnded, kRefused };
    What what;
    const char* token;    /* its label */
    const char* identity; /* empty: the PIN names none that it may act as; perhaps it is a PIN */
    uint64_t rv;          /* of kRefused: CKR_ value, which the client is not told */
  };
  virtual void acting(const Acting& acting) = 0;
  /*
   * PINs that are being changed: asks the vault whether this monitor may, which pin_changed()
   * answers, but not from within; and tells it how that went (TurnOutcome).
   */
  virtual void ask_to_turn(const LayerName& layer) = 0;
  virtual void tell_turned(const LayerName& layer, TurnOutcome outcome, uint32_t pin_size,
                           uint64_t rv) = 0;
};

struct Portfolio {
  std::vector<PortfolioBackend> backends; /* in any order; `backend` is the number used below */
  std::vector<PortfolioToken> tokens;     /* in the order of their slots */
  std::vector<PortfolioLayer> layers;     /* of the tokens, in their order */
  std::vector<FilterPlan> filters;        /* of the layers that are kLayerFiltered, in theirs */
  /* Of those that are kPinStored; empty: none is known. */
  std::vector<std::shared_ptr<const SecureBuffer>> pins;
  std::vector<std::shared_ptr<const SecureBuffer>> next_pins; /* of the same; nullptr: none */
};

}  // namespace mp11
