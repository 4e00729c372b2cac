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
 * What multip11.so tells whoever looks after the machine: errors of the configuration and helpers
 * that failed, to syslog(3), which the application's own openlog() rules. An application's standard
 * error is not ours, except where MULTIP11_DEBUG=1 asks for it: then everything goes there as well.
 *
 * Trust: texts hold names from the configuration and errors of the system, never what a client
 * passed. What a helper said may be a library's words: they are cut and cleaned, and follow the
 * helper's name.
 */
#pragma once
#include "client_config.h"

namespace mp11::client {

/* By C_Initialize: reads MULTIP11_DEBUG. Until the configuration is read, errors are logged. */
void log_start();
void log_choose(LogChoice choice);
/* True when descriptor 2 is to be the log: helpers get it then too. */
bool log_to_stderr();

[[gnu::format(printf, 1, 2)]] void report_error(const char* format, ...);
[[gnu::format(printf, 1, 2)]] void report_debug(const char* format, ...);

/*
 * The lines that a helper has written to the pipe `said` until now, each with its name, cut and
 * without control characters. For when it failed.
 */
void report_said(const std::string& name, int said);

}  // namespace mp11::client
