import { assert, type Random } from '@pulsemesh/base';
import {
  createPacketCipher,
  generateX25519,
  packetTagBytes,
  WeakKeyError,
  type X25519KeyPair,
  x25519,
} from '@pulsemesh/crypto';
import { concatBytes, toHex } from '@pulsemesh/wire';
import { PairUnansweredError, SealRefusedError } from './errors.ts';
import { advance, type Chain, type HeaderKey, pairTagBytes, ratchet } from './pair-keys.ts';

/** Limits of a pair session. */
export interface PairLimits {
  /** Batches sealed without an answer. */
  readonly unansweredMax: number;
  /** Keys kept for batches that were overtaken or lost; past it the oldest are forgotten. */
  readonly skippedKeysMax: number;
  /** How far ahead a batch may be numbered: what one batch can make the other side compute. */
  readonly skipAheadMax: number;
  /** Batches received since the last one sealed from which on an answer is due, for fresh keys. */
  readonly replyDueAfter: number;
}

/** Keys of a chain's batches that have not come. */
interface SkippedChain {
  readonly header: HeaderKey;
  readonly keys: ReadonlyMap<number, Uint8Array>;
}

/** All a session is: never changed, replaced by the next. Secret. */
export interface PairState {
  /** 16 bytes. */
  readonly id: Uint8Array;
  readonly root: Uint8Array;
  /** Our ratchet key: of the chain we send, and the one the other side answers. */
  readonly own: X25519KeyPair | null;
  readonly otherPublic: Uint8Array | null;
  /** Null where the next batch begins a new chain. */
  readonly send: Chain | null;
  readonly receive: Chain | null;
  readonly nextSend: HeaderKey;
  readonly nextReceive: HeaderKey;
  /** Batches of the chain before {@link send}. */
  readonly previousSent: number;
  readonly receivedSinceSent: number;
  /** Oldest first. */
  readonly skipped: readonly SkippedChain[];
}

/*
 * A batch: version 1 ‖ tag (8) ‖ nonce (8) ‖ sealed header (56) ‖ sealed body. Header: ratchet key (32) ‖ batches of the
 * chain before (4) ‖ number (4). The nonce is random although each body key serves once: a machine restored from a snapshot
 * would otherwise seal two bodies under one key and nonce.
 */
const version = 1;
const nonceAt = 1 + pairTagBytes;
const headerAt = nonceAt + 8;
const headerBytes = 32 + 4 + 4;
const bodyAt = headerAt + headerBytes + packetTagBytes;

/** How much longer than its body a batch is. */
export const pairBatchOverheadBytes = bodyAt + packetTagBytes;

/** The name of the chain a batch belongs to, or null where it is no batch: compare with a session's `tags`. */
export function pairTagOf(batch: Uint8Array): string | null {
  const isBatch = batch[0] === version && batch.length >= pairBatchOverheadBytes;
  return isBatch ? toHex(batch.subarray(1, nonceAt)) : null;
}

/**
 * The next state, and the sealed batch. The state is to be kept before the batch is let go.
 * @throws {PairUnansweredError}
 */
export function sealBody(state: PairState, body: Uint8Array, limits: PairLimits, random: Random) {
  const ready = state.send === null ? beginSending(state, random) : state;
  const { send, own } = ready;
  assert(send !== null && own !== null, 'a chain that sends has a key');
  if (send.number >= limits.unansweredMax) throw new PairUnansweredError(limits.unansweredMax);
  const { chain, batchKey } = advance(send);
  const header = new Uint8Array(headerBytes);
  header.set(own.publicKey);
  const view = new DataView(header.buffer);
  view.setUint32(32, ready.previousSent);
  view.setUint32(36, send.number);
  const nonce = random.bytes(8);
  const head = concatBytes(Uint8Array.of(version), send.header.tag, nonce);
  const before = concatBytes(head, send.header.cipher.seal(nonceOf(head), head, header));
  const sealed = createPacketCipher(batchKey).seal(nonceOf(head), before, body);
  const next: PairState = { ...ready, send: chain, receivedSinceSent: 0 };
  return { state: next, batch: concatBytes(before, sealed) };
}

/** Draws a new ratchet key: from here on not even our past state opens what is sealed. */
function beginSending(state: PairState, random: Random): PairState {
  assert(state.otherPublic !== null, 'the side that begins has a chain from the start');
  const own = generateX25519(random);
  const { root, chainKey, nextHeader } = ratchet(state.root, x25519(own.privateKey, state.otherPublic));
  const send = { key: chainKey, header: state.nextSend, number: 0 };
  return { ...state, root, own, send, nextSend: nextHeader };
}

/** What becomes of the key of a batch that is opened: `keep` for whoever may have to open it again. */
export type OpenedKey = 'forget' | 'keep';

/**
 * The next state, and the body of a batch. The state is to be kept together with what the batch does.
 * @throws {SealRefusedError}
 */
export function openBody(state: PairState, batch: Uint8Array, limits: PairLimits, openedKey: OpenedKey = 'forget') {
  const name = pairTagOf(batch);
  if (name === null) throw new SealRefusedError(batch[0] === version ? 'size' : 'version');
  const options = { limits, openedKey };
  if (state.receive?.header.name === name) return openAhead(state, state.receive, batch, options);
  if (state.nextReceive.name === name) return openNewChain(state, batch, options);
  return openSkipped(state, name, batch, openedKey);
}

/**
 * The state without the key of a batch that was opened with `keep`; the same where there is none.
 * @throws {SealRefusedError}
 */
export function forgetBody(state: PairState, batch: Uint8Array): PairState {
  const entry = state.skipped.find(({ header }) => header.name === pairTagOf(batch));
  if (entry === undefined) return state;
  return { ...state, skipped: without(state.skipped, entry, openHeader(entry.header, batch).number) };
}

interface OpenOptions {
  readonly limits: PairLimits;
  readonly openedKey: OpenedKey;
}

/** A batch of the chain that is being received: the next one, a later one, or one that was overtaken. */
function openAhead(state: PairState, receive: Chain, batch: Uint8Array, { limits, openedKey }: OpenOptions) {
  const { number } = openHeader(receive.header, batch);
  if (number < receive.number) return openSkipped(state, receive.header.name, batch, openedKey);
  const skipped = skip(receive, number, limits);
  const { chain, batchKey } = advance(skipped.chain);
  const body = openSealed(batchKey, batch);
  if (openedKey === 'keep') skipped.keys.set(number, batchKey);
  const next = { ...state, receive: chain, receivedSinceSent: state.receivedSinceSent + 1 };
  return { state: keep(next, receive.header, skipped.keys, limits), body };
}

/** The first batch that comes of a new chain: the other side has drawn a new ratchet key, and so shall we. */
function openNewChain(state: PairState, batch: Uint8Array, { limits, openedKey }: OpenOptions) {
  const header = state.nextReceive;
  const { publicKey, previous, number } = openHeader(header, batch);
  // Whoever answers answers a key of ours.
  if (state.own === null) throw new SealRefusedError('content');
  const { root, chainKey, nextHeader } = ratchet(state.root, sharedSecretOf(state.own.privateKey, publicKey));
  const old = state.receive === null ? null : skip(state.receive, Math.max(previous, state.receive.number), limits);
  const fresh = skip({ key: chainKey, header, number: 0 }, number, limits);
  const { chain, batchKey } = advance(fresh.chain);
  const body = openSealed(batchKey, batch);
  if (openedKey === 'keep') fresh.keys.set(number, batchKey);
  const next: PairState = {
    ...state,
    root,
    otherPublic: publicKey,
    receive: chain,
    nextReceive: nextHeader,
    send: null,
    previousSent: state.send?.number ?? state.previousSent,
    receivedSinceSent: state.receivedSinceSent + 1,
  };
  const kept = state.receive === null ? next : keep(next, state.receive.header, old?.keys ?? new Map(), limits);
  return { state: keep(kept, header, fresh.keys, limits), body };
}

/** A batch whose key was kept: when later ones came first, or when it was opened so that it opens again. */
function openSkipped(state: PairState, name: string, batch: Uint8Array, openedKey: OpenedKey) {
  const entry = state.skipped.find(({ header }) => header.name === name);
  if (entry === undefined) throw new SealRefusedError('unknown');
  const { number } = openHeader(entry.header, batch);
  const batchKey = entry.keys.get(number);
  if (batchKey === undefined) throw new SealRefusedError('unknown');
  const body = openSealed(batchKey, batch);
  if (openedKey === 'keep') return { state, body };
  const receivedSinceSent = state.receivedSinceSent + 1;
  return { state: { ...state, receivedSinceSent, skipped: without(state.skipped, entry, number) }, body };
}

function without(skipped: readonly SkippedChain[], entry: SkippedChain, number: number): readonly SkippedChain[] {
  const keys = new Map(entry.keys);
  keys.delete(number);
  return skipped.map((one) => (one === entry ? { ...entry, keys } : one)).filter((one) => one.keys.size > 0);
}

/** Computes the keys of the batches before `number`. */
function skip(chain: Chain, number: number, limits: PairLimits) {
  if (number - chain.number > limits.skipAheadMax) throw new SealRefusedError('ahead');
  const keys = new Map<number, Uint8Array>();
  let current = chain;
  while (current.number < number) {
    const step = advance(current);
    keys.set(current.number, step.batchKey);
    current = step.chain;
  }
  return { chain: current, keys };
}

/** Adds the keys of a chain; past the limit the oldest go. */
function keep(state: PairState, header: HeaderKey, keys: ReadonlyMap<number, Uint8Array>, limits: PairLimits) {
  if (keys.size === 0) return state;
  const known = state.skipped.find((one) => one.header.name === header.name);
  const merged = { header, keys: new Map([...(known?.keys ?? []), ...keys]) };
  const skipped = known ? state.skipped.map((one) => (one === known ? merged : one)) : [...state.skipped, merged];
  const excess = skipped.reduce((count, one) => count + one.keys.size, 0) - limits.skippedKeysMax;
  return { ...state, skipped: excess > 0 ? withoutOldest(skipped, excess) : skipped };
}

function withoutOldest(skipped: readonly SkippedChain[], count: number): SkippedChain[] {
  let left = count;
  return skipped.flatMap(({ header, keys }) => {
    // A Map keeps the order of insertion: the first keys are the oldest.
    const rest = [...keys].slice(left);
    left = Math.max(0, left - keys.size);
    return rest.length > 0 ? [{ header, keys: new Map(rest) }] : [];
  });
}

function openHeader(key: HeaderKey, batch: Uint8Array) {
  const header = key.cipher.open(nonceOf(batch), batch.subarray(0, headerAt), batch.subarray(headerAt, bodyAt));
  if (header === null) throw new SealRefusedError('sealed');
  const view = new DataView(header.buffer, header.byteOffset);
  return { publicKey: header.slice(0, 32), previous: view.getUint32(32), number: view.getUint32(36) };
}

function openSealed(batchKey: Uint8Array, batch: Uint8Array): Uint8Array {
  const body = createPacketCipher(batchKey).open(nonceOf(batch), batch.subarray(0, bodyAt), batch.subarray(bodyAt));
  if (body === null) throw new SealRefusedError('sealed');
  return body;
}

function nonceOf(head: Uint8Array): bigint {
  return new DataView(head.buffer, head.byteOffset).getBigUint64(nonceAt);
}

function sharedSecretOf(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  try {
    return x25519(privateKey, publicKey);
  } catch (error) {
    if (error instanceof WeakKeyError) throw new SealRefusedError('content', { cause: error });
    throw error;
  }
}
