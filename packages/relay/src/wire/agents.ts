import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { DecodeError } from '@pulsemesh/wire';
import { type InboxId, inboxBytes, inboxIdOf } from '../inbox-id.ts';
import { id16, pushBounded, putBytes, putMessage, putText, putUint, readFields, required } from './fields.ts';
import { relayWireLimits as limits } from './limits.ts';

/** `Claim` of relay.proto. */
export interface ClaimItem {
  readonly token: Uint8Array;
  readonly forSeconds: number;
  readonly takesStreams: boolean;
}

export interface ClaimRequest {
  readonly claims: readonly ClaimItem[];
  readonly release: readonly InboxId[];
}

export interface ClaimResult {
  readonly inbox: InboxId;
  /** Empty: claimed. */
  readonly code: string;
}

export function encodeClaimRequest({ claims, release }: ClaimRequest): Uint8Array {
  const writer = new BinaryWriter();
  for (const { token, forSeconds, takesStreams } of claims) {
    putMessage(writer, 1, () => {
      putBytes(writer, 1, token);
      putUint(writer, 2, forSeconds);
      if (takesStreams) putUint(writer, 3, 1);
    });
  }
  for (const inbox of release) putBytes(writer, 2, inboxBytes(inbox));
  return writer.finish();
}

/** @throws {DecodeError} */
export function decodeClaimRequest(bytes: Uint8Array): ClaimRequest {
  const claims: ClaimItem[] = [];
  const release: InboxId[] = [];
  readFields(bytes, (field, reader) => {
    if (field === 1) pushBounded(claims, decodeClaim(reader.bytes({ max: 64 })), limits.claimsMax);
    else if (field === 2) pushBounded(release, inboxIdOf(reader.bytes(id16)), limits.claimsMax);
    else return false;
    return true;
  });
  return { claims, release };
}

function decodeClaim(bytes: Uint8Array): ClaimItem {
  let token: Uint8Array | undefined;
  let forSeconds = 0;
  let takesStreams = false;
  readFields(bytes, (field, reader) => {
    if (field === 1) token = reader.bytes({ min: limits.tokenBytes, max: limits.tokenBytes });
    else if (field === 2) forSeconds = reader.uint32();
    else if (field === 3) takesStreams = reader.bool();
    else return false;
    return true;
  });
  return { token: required(token, 'token'), forSeconds, takesStreams };
}

export function encodeClaimResponse(results: readonly ClaimResult[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const { inbox, code } of results) {
    putMessage(writer, 1, () => {
      putBytes(writer, 1, inboxBytes(inbox));
      putText(writer, 2, code);
    });
  }
  return writer.finish();
}

/** @throws {DecodeError} */
export function decodeClaimResponse(bytes: Uint8Array): ClaimResult[] {
  const results: ClaimResult[] = [];
  readFields(bytes, (field, reader) => {
    if (field !== 1) return false;
    pushBounded(results, decodeClaimResult(reader.bytes({ max: 128 })), limits.claimsMax);
    return true;
  });
  return results;
}

function decodeClaimResult(bytes: Uint8Array): ClaimResult {
  let inbox: InboxId | undefined;
  let code = '';
  readFields(bytes, (field, reader) => {
    if (field === 1) inbox = inboxIdOf(reader.bytes(id16));
    else if (field === 2) code = reader.text(limits.codeBytesMax);
    else return false;
    return true;
  });
  return { inbox: required(inbox, 'inbox'), code };
}

/** `PeerOpen` of relay.proto; with `from`, `PeerOffer`. */
export interface PeerOpen {
  readonly to: InboxId;
  readonly name: string;
}

export interface PeerOffer extends PeerOpen {
  /** The caller's Ed25519 public key as the relay knows it. */
  readonly from: Uint8Array;
}

const namePattern = /^[a-z0-9._/-]{1,64}$/;

export function encodePeerOpen({ to, name }: PeerOpen): Uint8Array {
  const writer = new BinaryWriter();
  putBytes(writer, 1, inboxBytes(to));
  putText(writer, 2, name);
  return writer.finish();
}

/** @throws {DecodeError} */
export function decodePeerOpen(bytes: Uint8Array): PeerOpen {
  let to: InboxId | undefined;
  let name = '';
  readFields(bytes, (field, reader) => {
    if (field === 1) to = inboxIdOf(reader.bytes(id16));
    else if (field === 2) name = reader.text(limits.codeBytesMax);
    else return false;
    return true;
  });
  return { to: required(to, 'to'), name: checkedName(name) };
}

export function encodePeerOffer({ from, to, name }: PeerOffer): Uint8Array {
  const writer = new BinaryWriter();
  putBytes(writer, 1, from);
  putBytes(writer, 2, inboxBytes(to));
  putText(writer, 3, name);
  return writer.finish();
}

/** @throws {DecodeError} */
export function decodePeerOffer(bytes: Uint8Array): PeerOffer {
  let from: Uint8Array | undefined;
  let to: InboxId | undefined;
  let name = '';
  readFields(bytes, (field, reader) => {
    if (field === 1) from = reader.bytes({ min: 32, max: 32 });
    else if (field === 2) to = inboxIdOf(reader.bytes(id16));
    else if (field === 3) name = reader.text(limits.codeBytesMax);
    else return false;
    return true;
  });
  return { from: required(from, 'from'), to: required(to, 'to'), name: checkedName(name) };
}

function checkedName(name: string): string {
  if (!namePattern.test(name)) throw new DecodeError('not a stream name');
  return name;
}

/** A list of 16-byte ids: `PresenceWatch`, `TopicSubscribe`. */
export function encodeIds(ids: readonly InboxId[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const id of ids) putBytes(writer, 1, inboxBytes(id));
  return writer.finish();
}

/** @throws {DecodeError} */
export function decodeIds(bytes: Uint8Array): InboxId[] {
  const ids: InboxId[] = [];
  readFields(bytes, (field, reader) => {
    if (field !== 1) return false;
    pushBounded(ids, inboxIdOf(reader.bytes(id16)), limits.addressesMax);
    return true;
  });
  return ids;
}

/** `Presence` of relay.proto. */
export interface Presence {
  readonly address: InboxId;
  readonly isOnline: boolean;
  /** The relay's clock, milliseconds; null: not known. */
  readonly sinceMs: number | null;
}

export function encodePresences(presences: readonly Presence[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const { address, isOnline, sinceMs } of presences) {
    putMessage(writer, 1, () => {
      putBytes(writer, 1, inboxBytes(address));
      if (isOnline) putUint(writer, 2, 1);
      putUint(writer, 3, sinceMs ?? 0);
    });
  }
  return writer.finish();
}

/** @throws {DecodeError} */
export function decodePresences(bytes: Uint8Array): Presence[] {
  const presences: Presence[] = [];
  readFields(bytes, (field, reader) => {
    if (field !== 1) return false;
    pushBounded(presences, decodePresence(reader.bytes({ max: 64 })), limits.addressesMax);
    return true;
  });
  return presences;
}

function decodePresence(bytes: Uint8Array): Presence {
  let address: InboxId | undefined;
  let isOnline = false;
  let sinceMs = 0;
  readFields(bytes, (field, reader) => {
    if (field === 1) address = inboxIdOf(reader.bytes(id16));
    else if (field === 2) isOnline = reader.bool();
    else if (field === 3) sinceMs = reader.uint();
    else return false;
    return true;
  });
  return { address: required(address, 'address'), isOnline, sinceMs: sinceMs === 0 ? null : sinceMs };
}

export function encodePresenceSet(isInvisible: boolean): Uint8Array {
  const writer = new BinaryWriter();
  if (isInvisible) putUint(writer, 1, 1);
  return writer.finish();
}

/** @throws {DecodeError} */
export function decodePresenceSet(bytes: Uint8Array): boolean {
  let isInvisible = false;
  readFields(bytes, (field, reader) => {
    if (field !== 1) return false;
    isInvisible = reader.bool();
    return true;
  });
  return isInvisible;
}

/** `TopicMessage` of relay.proto. A topic is 16 bytes, as hex like an inbox id. */
export interface TopicMessage {
  readonly topic: InboxId;
  readonly payload: Uint8Array;
}

export function encodeTopicBatch(messages: readonly TopicMessage[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const { topic, payload } of messages) {
    putMessage(writer, 1, () => {
      putBytes(writer, 1, inboxBytes(topic));
      putBytes(writer, 2, payload);
    });
  }
  return writer.finish();
}

/** @throws {DecodeError} */
export function decodeTopicBatch(bytes: Uint8Array): TopicMessage[] {
  const messages: TopicMessage[] = [];
  readFields(bytes, (field, reader) => {
    if (field !== 1) return false;
    pushBounded(messages, decodeTopicMessage(reader.bytes({ max: bytes.length })), limits.itemsPerBatchMax);
    return true;
  });
  return messages;
}

function decodeTopicMessage(bytes: Uint8Array): TopicMessage {
  let topic: InboxId | undefined;
  let payload: Uint8Array = new Uint8Array(0);
  readFields(bytes, (field, reader) => {
    if (field === 1) topic = inboxIdOf(reader.bytes(id16));
    else if (field === 2) payload = reader.bytes({ max: limits.topicPayloadBytesMax });
    else return false;
    return true;
  });
  return { topic: required(topic, 'topic'), payload };
}
