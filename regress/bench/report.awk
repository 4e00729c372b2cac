# Copyright (c) 2026 The multip11 authors
#
# Redistribution and use in source and binary forms, with or without
# modification, are permitted provided that the following conditions
# are met:
# 1. Redistributions of source code must retain the above copyright
#    notice, this list of conditions and the following disclaimer.
# 2. Redistributions in binary form must reproduce the above copyright
#    notice, this list of conditions and the following disclaimer in the
#    documentation and/or other materials provided with the distribution.
#
# THIS SOFTWARE IS PROVIDED BY THE AUTHORS ``AS IS'' AND ANY EXPRESS OR
# IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES
# OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED.
# IN NO EVENT SHALL THE AUTHORS BE LIABLE FOR ANY DIRECT, INDIRECT,
# INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT
# NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
# DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY
# THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
# (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF
# THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.

# The tables of regress/bench/run. Input, in any order:
#   octets OPERATION N                                    octets of the caller's data (p11bench -L)
#   figure CONFIGURATION OPERATION THREADS OPS/S P50 P99  one round, or `error CODE` for the figures
#   krb5 OPERATION MICROSECONDS                           what Kerberos alone costs
# Variable: names, the configurations in their order.

$1 == "octets" { octets[$2] = $3 }
$1 == "krb5" { krb5[$2] = $3 }
$1 == "figure" {
  key = $2 " " $3 " " $4
  if ($4 == 1 && !($3 in listed)) { listed[$3] = 1; operation[++operations] = $3 }
  if ($4 > 1 && !(($3 " " $4) in listed)) { listed[$3 " " $4] = 1; threaded[++threadeds] = $3 " " $4 }
  if ($5 == "error") { failed[key] = 1; next }
  n = ++count[key]
  rates[key, n] = $5
  p50s[key, n] = $6
}

# Median of values[key, 1..count[key]].
function median(values, key,    i, j, n, t, v) {
  n = count[key]
  for (i = 1; i <= n; i++) {
    t = values[key, i]
    for (j = i - 1; j > 0 && v[j] > t; j--) v[j + 1] = v[j]
    v[j + 1] = t
  }
  return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

function measured(name, op, threads) {
  return count[name " " op " " threads] > 0 && !((name " " op " " threads) in failed)
}
function rate(name, op, threads) { return median(rates, name " " op " " threads) }
function p50(name, op) { return median(p50s, name " " op " 1") }
function added(name, op) { return p50(name, op) - p50("direct", op) }
# Whether both can be compared with what p11-kit adds.
function comparable(name, op) {
  return measured(name, op, 1) && measured("direct", op, 1) && measured("p11-kit", op, 1) &&
         added("p11-kit", op) > 0
}

# What GSS-API may add to an operation.
function gss_limit(op) {
  return 1.5 * added("p11-kit", op) + (octets[op] <= 256 ? 0 : krb5[op])
}

function latencies(    c, i, op) {
  printf "\n%-14s %8s", "", ""
  for (c = 1; c <= columns; c++) printf " | %25s", name[c]
  printf "\n%-14s %8s", "operation", "octets"
  for (c = 1; c <= columns; c++) printf " | %9s %9s %5s", "ops/s", "p50 us", "ratio"
  print ""
  for (i = 1; i <= operations; i++) {
    op = operation[i]
    printf "%-14s %8d", op, octets[op]
    for (c = 1; c <= columns; c++) {
      if (!measured(name[c], op, 1)) printf " | %9s %9s %5s", "-", "-", "-"
      else printf " | %9.0f %9.2f %5.3f", rate(name[c], op, 1), p50(name[c], op),
                  rate(name[c], op, 1) / rate("direct", op, 1)
    }
    print ""
  }
}

function additions(    c, i, op) {
  print "\nadded to the median of direct use, microseconds, and the ratio to what p11-kit adds"
  print "(* at most 4 KiB of the caller's data; gss may add 1.5 of p11-kit, and krb5 above 256 octets)"
  printf "%-16s %8s", "operation", "octets"
  for (c = 2; c <= columns; c++) printf " | %9s %6s", name[c], name[c] == "p11-kit" ? "" : "ratio"
  printf " | %9s %9s\n", "krb5", "gss limit"
  for (i = 1; i <= operations; i++) {
    op = operation[i]
    printf "%-14s %-1s %8d", op, octets[op] <= 4096 ? "*" : "", octets[op]
    for (c = 2; c <= columns; c++) {
      if (!measured(name[c], op, 1)) { printf " | %9s %6s", "-", "-"; continue }
      printf " | %9.2f", added(name[c], op)
      if (name[c] == "p11-kit" || !comparable(name[c], op)) printf " %6s", ""
      else printf " %6.2f", added(name[c], op) / added("p11-kit", op)
    }
    printf " | %9s", op in krb5 ? sprintf("%.2f", krb5[op]) : "-"
    printf " %9s\n", comparable("gss", op) ? sprintf("%.2f", gss_limit(op)) : "-"
  }
}

function throughputs(    c, i, parts, op, threads) {
  if (threadeds == 0) return
  print "\ncalls a second of several threads, and the ratio to direct use with as many"
  printf "%-16s", "operation"
  for (c = 1; c <= columns; c++) printf " | %9s %6s", name[c], "ratio"
  print ""
  for (i = 1; i <= threadeds; i++) {
    split(threaded[i], parts, " ")
    op = parts[1]
    threads = parts[2]
    printf "%-14s %d", op, threads
    for (c = 1; c <= columns; c++) {
      if (!measured(name[c], op, threads)) printf " | %9s %6s", "-", "-"
      else printf " | %9.0f %6.3f", rate(name[c], op, threads),
                  rate(name[c], op, threads) / rate("direct", op, threads)
    }
    print ""
  }
}

function aim(text, figure, met) {
  printf "  %-7s %-70s %s\n", met ? "met" : "NOT MET", text, figure
  met ? aims_met++ : aims_missed++
}

function aim_threads(who, op, threads, least,    r) {
  if (!measured(who, op, threads) || !measured("direct", op, threads)) return
  r = rate(who, op, threads) / rate("direct", op, threads)
  aim(who ", " op " with " threads " threads: at least " least " of direct use",
      sprintf("%.3f", r), r >= least)
}

function aims(    i, op, r) {
  print "\nthe aims"
  for (i = 1; i <= operations; i++) {
    op = operation[i]
    if (octets[op] > 4096 || !comparable("library", op)) continue
    r = added("library", op) / added("p11-kit", op)
    aim("library, " op ": adds at most 0.25 of what p11-kit adds", sprintf("%.2f", r), r <= 0.25)
  }
  for (i = 1; i <= operations; i++) {
    op = operation[i]
    if (octets[op] > 4096 || !comparable("gss", op) || !(op in krb5)) continue
    aim("gss, " op ": adds at most 1.5 of what p11-kit adds" (octets[op] > 256 ? ", and krb5" : ""),
        sprintf("%.1f of %.1f us", added("gss", op), gss_limit(op)), added("gss", op) <= gss_limit(op))
  }
  for (i = 1; i <= operations; i++) {
    op = operation[i]
    if (op !~ /^aes_.*_64KiB$/ || !measured("library", op, 1) || !measured("direct", op, 1)) continue
    aim("library, " op ": at most direct use + 15 us", sprintf("+ %.1f us", added("library", op)),
        added("library", op) <= 15)
  }
  aim_threads("library", "rsa2048", 4, 0.95)
  aim_threads("gss", "rsa2048", 4, 0.75)
  for (i = 1; i <= threadeds; i++) {
    split(threaded[i], parts, " ")
    if (parts[2] == 8) aim_threads("library", parts[1], 8, 0.9)
  }
  printf "%d met, %d not met. Idle connections: regress/bench/idle\n", aims_met, aims_missed
}

END {
  columns = split(names, name, " ")
  latencies()
  additions()
  throughputs()
  aims()
}
