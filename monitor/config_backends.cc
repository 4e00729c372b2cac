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
 * The two kinds of backends: a library, or another multip11d, whose keywords are as in
 * multip11.conf(5), with a keytab.
 */
#include "config_checker.h"
#include "file_check.h"
#include "principal.h"
#include "server_address.h"

namespace mp11 {

/* A principal, of a program: no pattern. `example` is what to write. */
void ConfigChecker::principal_of(const Reader& r, const char* keyword, const std::string& text,
                                 const char* example) {
  if (text.empty()) return;
  Result<PrincipalName> name = parse_principal(text);
  std::string wrong = !name ? name.error().text : "";
  if (text.find('*') != std::string::npos) wrong = "is a pattern";
  if (text.size() >= limits::kPrincipal) wrong = "is too long";
  if (!wrong.empty())
    r.error(keyword, std::string(keyword) + " = " + text + " " + wrong + "; write " + example);
}

void ConfigChecker::library(const Reader& r, BackendConfig* b) {
  for (const char* keyword : {"principal", "keytab", "security", "client-principal"})
    r.forbid(keyword, "belongs to a backend with server; remove it");
  b->module = r.absolute("module", "");
  if (b->module.empty())
    errors_->add(b->line,
                 "backend '" + b->name + "' has neither module nor server; add module = \"/PATH\"");
  else if (Status status = check_module_file(b->module); b->module[0] == '/' && !status)
    r.error("module", "module: " + status.error().text);
  isolation(r, b);
  environment(r, b);
  path_list(r, "read", &b->read);
  path_list(r, "write", &b->write);
}

/* What both kinds share is read by backend(). */
void ConfigChecker::server(const Reader& r, BackendConfig* b) {
  const std::string address = r.text("server");
  Result<ServerAddress> parsed = parse_server_address(address);
  b->server = parsed ? parsed->place : address;
  b->sctp = parsed && parsed->sctp;
  if (address.starts_with("unix:"))
    r.error("server",
            "server = " + address + " is on this host; put its backends into this file instead");
  else if (!parsed)
    r.error("server", "server = '" + address + "' is not understood; write " + kServerForm);
  if (b->server.empty()) b->server = "?"; /* reported: all the same it is a server */
  r.forbid("module", "is for a library, and server names another multip11d; remove one of them");
  for (const char* keyword : {"read", "write", "file-limit", "token-lock"})
    r.forbid(keyword, "is for a library, whose files are here; remove it");
  for (const char* keyword : {"isolate", "uids", "skeleton"})
    r.forbid(
        keyword,
        "is for a library; tokens of a server are apart as the multip11d there says; remove it");
  r.forbid("prestart", "is for a library; a server is connected to when it is needed; remove it");
  if (r.has("security")) b->security = r.choice("security", {"kdh", "gss"});
  if (b->sctp && b->security == "kdh")
    r.error("security",
            "security = kdh is not for sctp://, which keeps no order; write gss, or tcp://");
  b->principal = r.text("principal");
  principal_of(r, "principal", b->principal, "pkcs11/HOST@REALM, the service there");
  b->client = r.text("client-principal");
  principal_of(r, "client-principal", b->client, "multip11/HOST@REALM, whose key is in keytab");
  b->keytab = r.absolute("keytab", "");
  if (b->keytab.empty())
    errors_->add(b->line, "backend '" + b->name +
                              "' has a server and no keytab; add keytab = \"/PATH\", with a key of "
                              "whom this daemon is there");
  else if (Status status = check_secret_file(b->keytab); b->keytab[0] == '/' && !status)
    r.error("keytab", "keytab: " + status.error().text);
  if (!b->keytab.empty() && b->keytab == Reader(root_, errors_).text("keytab"))
    r.error("keytab",
            "keytab is that of this daemon's own service, which only multip11-auth has; make one "
            "with a principal for this (ktadd -k in kadmin)");
  if (r.has("user"))
    b->user = user_id(r.text("user"), r.line("user"), "user");
  else if (!config_->unprivileged)
    errors_->add(b->line, "backend '" + b->name +
                              "' has no user; add user = NAME, one that nothing else uses");
  environment(r, b);
}

}  // namespace mp11
