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
/* Every limit of the house, with its reason. A limit is checked on both sides of a boundary. */
#pragma once
#include <cstddef>
#include <cstdint>

namespace mp11::limits {

/* Handles in one call record: what a call names. Those that a parameter gives back are in a list.
 */
inline constexpr size_t kRecordHandles = 16;
/* Numbers in one call record. */
inline constexpr size_t kRecordNumbers = 6;
/* Records in one direction of a channel: twice the calls in flight, so that replies never wait. */
inline constexpr uint32_t kRingRecords = 64;
/* Calls in flight of one connection: credits, so that memory is bounded. */
inline constexpr uint32_t kCallsPerConnection = 32;
/* Worker threads of one backend: more would wait for the library's own lock. */
inline constexpr uint32_t kWorkers = 8;
/* Calls sent to one backend and not answered: what found no worker would wait there while its
 * deadline passes. */
inline constexpr uint32_t kCallsPerBackend = kWorkers;
/* Arena of a channel in octets, half of it for each direction. */
inline constexpr size_t kArena = 4u << 20;
/* Octets of the arena, from the start of each half, that stay locked in memory: PINs and keys fit.
 */
inline constexpr size_t kArenaLocked = 64u << 10;
/* One piece of a message in the arena; longer messages travel in several records. */
inline constexpr size_t kPiece = 256u << 10;
/* One message after reassembly, in octets (PROTOCOL, Limits). */
inline constexpr size_t kMessage = 16u << 20;
/* One frame's fragment: small enough that another message soon gets its turn. */
inline constexpr size_t kFragment = 64u << 10;
/* Messages begun and not ended in one direction, and octets of all of them: calls in flight, and
 * room for one message of full size beside others. */
inline constexpr size_t kPartialMessages = kCallsPerConnection;
inline constexpr size_t kPartialOctets = 2 * kMessage;
/*
 * Octets of one connection's calls in flight, and of the buffers that they ask for, above which no
 * more are taken: else a client that reads no returns has a GiB of memory in each process behind.
 */
inline constexpr size_t kPendingOctets = 2 * kMessage;
/*
 * What comes ahead of calls that were not made yet (PROTOCOL, Fewer round trips): handles of a
 * search, which most have fewer than, and each of which costs a library that is filtered a call;
 * octets of an object's values, certificates and chains of them among them. Slots and mechanisms of
 * a snapshot: as many as fit into one message, and a client that sees more asks for those it wants.
 */
inline constexpr uint32_t kEagerHandles = 256;
inline constexpr uint32_t kEagerOctets = 64u << 10;
inline constexpr size_t kSnapshotSlots = 64;
inline constexpr size_t kSnapshotMechanisms = 4096;
/* Depth and values of one DER message: what a decoder can be made to allocate (PROTOCOL, Limits).
 */
inline constexpr size_t kDerDepth = 24;
inline constexpr size_t kDerNodes = 65536;
/*
 * Octets of one message as text: twice kMessage, as octets are hexadecimal there, and a hundred for
 * each value's names.
 */
inline constexpr size_t kTextMessage = 2 * kMessage + 100 * kDerNodes;
/* Numbers in one list on the wire: below kDerNodes, with room for the message around it. */
inline constexpr uint64_t kWireList = kDerNodes - 536;
/* transportID and requestID in octets. */
inline constexpr size_t kMessageId = 64;
/* Extensions that a hello may name, and octets of one name. */
inline constexpr size_t kExtensions = 64;
inline constexpr size_t kExtensionName = 64;
/* Handles in one list (C_FindObjects, C_GetSlotList). */
inline constexpr uint64_t kHandleList = 65536;
/* Attributes in a template. */
inline constexpr uint64_t kAttributes = 512;
/* Depth of nested templates and of nested mechanism parameters. */
inline constexpr unsigned kDepth = 8;
/* Structures in one array of a mechanism parameter (data parameters and additional keys of SP
 * 800-108): ten times what any profile of it has. */
inline constexpr uint64_t kParamStructs = 128;
/* Octets a caller may offer as one output buffer: what the reply can carry. */
inline constexpr uint64_t kOutput = kMessage - 65536;
/* Sessions, and objects that have a handle, of one connection. */
inline constexpr uint32_t kSessions = 4096;
inline constexpr uint32_t kObjects = (1u << 20) - 1;
/* Backends and virtual tokens in one configuration. */
inline constexpr uint32_t kBackends = 256;
inline constexpr uint32_t kTokens = 1024;
/* Layers of one virtual token. */
inline constexpr uint32_t kLayers = 32;
/*
 * Identities that one principal may act as: each of them has a variant of each token with
 * pin-select in the portfolio, and its backends in the list that [priv] is given.
 */
inline constexpr uint32_t kIdentities = 16;
/*
 * A failed C_Login, where a PIN can name an identity, is answered so long after its arrival, or a
 * multiple: longer than a library takes to start and to refuse a PIN, so that time does not tell
 * it from one that no library was asked about. And a person hardly notices it.
 */
inline constexpr uint32_t kFailedLoginMs = 500;
/*
 * Objects of blind layers that the searches of one connection remember: 10,000 for each of two
 * dozen searches at once. CKA_IDs longer than kBlindId are compared with nothing: they are at most
 * a digest or two.
 */
inline constexpr size_t kBlindObjects = 256u << 10;
/*
 * C_FindObjects with which one of them is listed: a library that gives 64 objects at a time is
 * listed as far as kBlindObjects. One that gives single ones for ever is stopped.
 */
inline constexpr size_t kBlindCalls = kBlindObjects / 64;
inline constexpr size_t kBlindId = 256;
/*
 * Objects in a row that one C_FindObjects looks at and does not show: a call to the library for
 * each. A device on the network takes a minute for them; a library that has still more never ends.
 */
inline constexpr size_t kHiddenInARow = 64u << 10;
/* A Kerberos principal name in octets, as text, with its final NUL. */
inline constexpr size_t kPrincipal = 512;
/* One GSS context token before authentication: large enough for a ticket with a big PAC. */
inline constexpr size_t kGssToken = 96u << 10;
/* One GSS token after authentication: messages are cut so that one deciphers in milliseconds. */
inline constexpr size_t kGssFrame = 1u << 20;
/*
 * One GSS token over SCTP after authentication, where it is one user message: a larger one would
 * keep the small ones behind it waiting. And what of a message one such token has room for: tokens
 * are up to 72 octets longer than what is in them, and a frame's header has 13.
 */
inline constexpr size_t kSctpToken = 60u << 10;
inline constexpr size_t kSctpFragment = kSctpToken - 128;
/* Network connections from which nothing has come yet: a descriptor of [priv] each. */
inline constexpr size_t kSilent = 1024;
/* Of a listener's addresses, those beside the first: more paths than a machine has networks. */
inline constexpr size_t kFurtherAddresses = 15;
/* Connections whose handshake is under way in auth: two descriptors each. */
inline constexpr size_t kHandshakes = 1024;
/* Connections whose client may send a fresh ticket, in auth: a descriptor each. All that
 * max-connections allows. */
inline constexpr size_t kRenewable = 16384;
/*
 * Between two fresh tickets of one connection, and between the first and the handshake: each costs
 * a place among kReplays, and one client must not fill that.
 */
inline constexpr uint64_t kRenewalGapMs = 5000;
/* Tickets of one connection that were refused, or came too soon, before no more are looked at. */
inline constexpr uint32_t kWrongRenewals = 8;
/* Authenticators that auth remembers against replay, for twice the clock skew: about 15 MB. */
inline constexpr size_t kReplays = 128u << 10;
/* Layers of a connection that [priv] remembers as left out: those of two tokens at their largest.
 */
inline constexpr size_t kLayersLeftOut = 2 * kLayers;
/* A report of `multip11 status` in octets: some ten thousand connections. */
inline constexpr size_t kStatus = 4u << 20;
/* Readers of it for whom [priv] keeps one, and how long: who reads it at all takes it at once. */
inline constexpr size_t kStatusReaders = 4;
inline constexpr uint64_t kStatusMs = 5000;
/* The emptying of one token's directory: a million files; who plants more has them removed in
 * turns. */
inline constexpr uint64_t kEraseMs = 600000;
/* One line of log in octets. */
inline constexpr size_t kLogLine = 1024;

}  // namespace mp11::limits
