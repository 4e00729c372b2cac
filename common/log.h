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
 * Log lines of our own processes: one line, one write(2) to descriptor 2, never waiting.
 *
 * In a child of multip11d descriptor 2 is a pipe to multip11-log, and a line begins with the
 * priority as "<N>" (sd-daemon(3)); who wrote it multip11-log knows from the pipe. Otherwise a line
 * is "program: text". Octets outside printable ASCII are written as \xHH, so that no line can
 * forge another or speak to a terminal; a line longer than limits::kLogLine is cut and ends in
 * "...". A line that finds no room is counted, and the next one that gets through says how many
 * are missing.
 *
 * Trust: texts may hold what a client or a library sent; that is why they are escaped. PINs and
 * keys live in SecureBuffer, which has no conversion to anything that these functions take.
 *
 * Threads: any; each line is composed on the caller's stack. errno is kept, and %m works.
 */
#pragma once
#include <cstdarg>

namespace mp11 {

enum class LogLevel {
  kQuiet = -1, /* as a threshold: nothing at all, for multip11.so, whose fd 2 is not ours */
  kFatal,      /* <2> this process ends */
  kError,      /* <3> something failed that should not */
  kInfo,       /* <6> what an administrator wants to read every day */
  kVerbose,    /* <6> each connection, each spawn */
  kDebug,      /* <7> each call, never its content */
};

/*
 * Called once at start, before threads. `program` must live as long as the process. Without it:
 * "multip11", kInfo, and descriptor 2 is nobody's log.
 */
void log_init(const char* program, LogLevel threshold, bool stderr_is_log);
/* True when a line of this level would be written: saves the work of composing it. */
bool log_wants(LogLevel level);

void log_line(LogLevel level, const char* format, ...) __attribute__((format(printf, 2, 3)));
void log_line_v(LogLevel level, const char* format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
void log_error(const char* format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char* format, ...) __attribute__((format(printf, 1, 2)));
void log_verbose(const char* format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char* format, ...) __attribute__((format(printf, 1, 2)));

inline constexpr int kFatalExit = 255;
/*
 * Writes the line and ends the process with _exit(255). For processes that serve one connection,
 * and for the start of any program; never in multip11.so, nor in [priv], auth and vault once they
 * serve.
 */
[[noreturn]] void fatal(const char* format, ...) __attribute__((format(printf, 1, 2)));

/* For signal handlers: no formatting, no lock, no memory; the same prefix, escape and cut. */
void log_signal_safe(LogLevel level, const char* text);

}  // namespace mp11
