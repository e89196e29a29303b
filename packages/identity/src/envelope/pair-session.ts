import { assert, type Clock, type Random } from '@pulsemesh/base';
import { generateX25519 } from '@pulsemesh/crypto';
import { DecodeError, decodeCbor, encodeCbor, toHex } from '@pulsemesh/wire';
import { type OpenEnvelopeInput, type OpenedEnvelope, openEnvelope, sealEnvelope } from './envelope.ts';
import { SealRefusedError } from './errors.ts';
import { envelopeLimits, isSizeClass, pad, paddingOverheadBytes, sizeClassOf, unpad } from './padding.ts';
import { beginning } from './pair-keys.ts';
import {
  forgetBody,
  type OpenedKey,
  openBody,
  type PairLimits,
  type PairState,
  pairBatchOverheadBytes,
  sealBody,
} from './pair-ratchet.ts';
import { encodePairState, parsePairState } from './pair-state.ts';
import type { EnvelopeRecipient, EnvelopeSender } from './parties.ts';

/** Limits of a session where no others are given. */
export const pairLimits: PairLimits & { readonly messagesMax: number } = {
  unansweredMax: 65_536,
  skippedKeysMax: 2000,
  skipAheadMax: 1000,
  replyDueAfter: 256,
  /** Messages of one batch. */
  messagesMax: 4096,
};

/** How much longer than the size class of its content a batch is. */
export const batchOverheadBytes = pairBatchOverheadBytes + paddingOverheadBytes;

/**
 * One end of a session between two agents that write often: the cost of a batch is two hashes and two AEADs, whatever number of
 * messages it holds. Batches may come late, early or never; each opens once. Prints without its secrets.
 */
export interface PairSession {
  /** 32 hex characters, the same at both ends; on no wire. */
  readonly id: string;
  /** False until the first batch of the other side: until then it may not have had the handshake, which can be sent again. */
  readonly isConfirmed: boolean;
  /** True where the other side has said much and we nothing: an empty batch gives both fresh keys. */
  readonly isReplyDue: boolean;
  /** What `pairTagOf` a batch for this end may be: at most one a chain. Changes with every batch opened. */
  readonly tags: readonly string[];
  /**
   * Seals messages (none: an answer that only renews keys), padded to a size class. Keep {@link toBytes} before letting the batch go:
   * a session restored from before it would use the same key again.
   * @throws {ContentTooLargeError}, {PairUnansweredError}. Nothing has changed then.
   */
  seal(messages: readonly Uint8Array[]): Uint8Array;
  /**
   * The messages of a batch. Keep {@link toBytes} together with what they do.
   * @throws {SealRefusedError} `unknown` where it was opened before. Nothing has changed then.
   */
  open(batch: Uint8Array): readonly Uint8Array[];
  /**
   * As {@link open}, but the batch opens again until {@link forget}: for whoever makes its effect durable elsewhere, and may seal
   * (and keep {@link toBytes}) before that is done.
   * @throws as {@link open}.
   */
  peek(batch: Uint8Array): readonly Uint8Array[];
  /** Forgets the key of a batch that {@link peek} opened; nothing where there is none. */
  forget(batch: Uint8Array): void;
  /** All of it, to go on after a restart. Secret: it is kept sealed. */
  toBytes(): Uint8Array;
}

/** A session that another agent began. */
export interface AcceptedPairSession {
  readonly session: PairSession;
  /** Who, when, and the message id of the handshake: whoever accepts it twice lets the first batches be replayed. */
  readonly handshake: Omit<OpenedEnvelope, 'content'>;
}

interface PairDependencies {
  readonly random: Random;
  /** Default {@link pairLimits}. */
  readonly limits?: Partial<PairLimits>;
}

const handshakeContext = 'pulsemesh/pair/1';
const idBytes = 16;
const keyBytes = 32;

/**
 * Begins a session with the owner of a contact card. The handshake is an envelope: authenticated, padded, hybrid where the recipient
 * has such a key. It can be sent with the first batches. Where both sides begin at once, both sessions work; the one with the
 * smaller id is to be used.
 * @throws {WeakKeyError} for a recipient's key that gives no secret.
 */
export function startPairSession(
  input: { readonly from: EnvelopeSender; readonly to: EnvelopeRecipient },
  dependencies: PairDependencies & { readonly clock: Clock },
): { readonly session: PairSession; readonly handshake: Uint8Array } {
  const { random } = dependencies;
  const id = random.bytes(idBytes);
  const secret = random.bytes(keyBytes);
  const own = generateX25519(random);
  const content = encodeCbor([id, secret, own.publicKey]);
  const handshake = sealEnvelope({ ...input, content, context: handshakeContext }, dependencies);
  const { root, chain, initiatorNext, responderNext } = beginning(secret, id);
  secret.fill(0);
  const state = { ...fresh(id, root), own, send: chain, nextSend: initiatorNext, nextReceive: responderNext };
  return { session: new RatchetSession(state, dependencies), handshake };
}

/**
 * Takes up a session that another agent began with us. Remember the handshake's message id, and accept none twice.
 * @throws {SealRefusedError}
 */
export function acceptPairSession(
  handshake: Uint8Array,
  input: Omit<OpenEnvelopeInput, 'context'>,
  dependencies: PairDependencies,
): AcceptedPairSession {
  const { content, ...opened } = openEnvelope(handshake, { ...input, context: handshakeContext });
  const [id, secret, otherPublic] = parseHandshake(content);
  const { root, chain, initiatorNext, responderNext } = beginning(secret, id);
  const state = {
    ...fresh(id, root),
    otherPublic,
    receive: chain,
    nextSend: responderNext,
    nextReceive: initiatorNext,
  };
  return { session: new RatchetSession(state, dependencies), handshake: opened };
}

/**
 * The session whose {@link PairSession.toBytes} these are.
 * @throws {PairStateError}
 */
export function restorePairSession(bytes: Uint8Array, dependencies: PairDependencies): PairSession {
  return new RatchetSession(parsePairState(bytes), dependencies);
}

function fresh(id: Uint8Array, root: Uint8Array) {
  const counts = { previousSent: 0, receivedSinceSent: 0, skipped: [] };
  return { id, root, own: null, otherPublic: null, send: null, receive: null, ...counts };
}

class RatchetSession implements PairSession {
  readonly id: string;
  // Private fields do not show when the object is printed or serialised.
  #state: PairState;
  readonly #random: Random;
  readonly #limits: PairLimits;

  constructor(state: PairState, dependencies: PairDependencies) {
    this.id = toHex(state.id);
    this.#state = state;
    this.#random = dependencies.random;
    this.#limits = { ...pairLimits, ...dependencies.limits };
  }

  get isConfirmed(): boolean {
    return this.#state.receive !== null;
  }

  get isReplyDue(): boolean {
    return this.#state.receivedSinceSent >= this.#limits.replyDueAfter;
  }

  get tags(): readonly string[] {
    const { receive, nextReceive, skipped } = this.#state;
    const headers = [...(receive === null ? [] : [receive.header]), nextReceive, ...skipped.map((one) => one.header)];
    return [...new Set(headers.map((header) => header.name))];
  }

  seal(messages: readonly Uint8Array[]): Uint8Array {
    assert(messages.length <= pairLimits.messagesMax, `a batch has at most ${pairLimits.messagesMax} messages`);
    const content = encodeCbor(messages);
    const body = pad(content, sizeClassOf(content.length));
    const { state, batch } = sealBody(this.#state, body, this.#limits, this.#random);
    this.#become(state);
    return batch;
  }

  open(batch: Uint8Array): readonly Uint8Array[] {
    return this.#open(batch, 'forget');
  }

  peek(batch: Uint8Array): readonly Uint8Array[] {
    return this.#open(batch, 'keep');
  }

  #open(batch: Uint8Array, openedKey: OpenedKey): readonly Uint8Array[] {
    const paddedBytes = batch.length - batchOverheadBytes;
    if (!isSizeClass(paddedBytes)) throw new SealRefusedError('size');
    const { state, body } = openBody(this.#state, batch, this.#limits, openedKey);
    const messages = parseMessages(unpad(body));
    this.#become(state);
    return messages;
  }

  forget(batch: Uint8Array): void {
    this.#become(forgetBody(this.#state, batch));
  }

  toBytes(): Uint8Array {
    return encodePairState(this.#state);
  }

  /** Overwrites the keys the next state has no more: what is not there cannot leak. */
  #become(next: PairState): void {
    const kept = new Set(secretsOf(next));
    for (const secret of secretsOf(this.#state)) if (!kept.has(secret)) secret.fill(0);
    this.#state = next;
  }
}

function secretsOf({ root, own, send, receive }: PairState): Uint8Array[] {
  return [root, own?.privateKey, send?.key, receive?.key].filter((key) => key !== undefined);
}

function parseHandshake(content: Uint8Array): readonly [Uint8Array, Uint8Array, Uint8Array] {
  const [id, secret, publicKey, ...rest] = decodeBytesList(content, 3);
  const isWhole = id?.length === idBytes && secret?.length === keyBytes && publicKey?.length === keyBytes;
  if (!isWhole || rest.length > 0) throw new SealRefusedError('content');
  return [id, secret, publicKey];
}

function parseMessages(content: Uint8Array): readonly Uint8Array[] {
  return decodeBytesList(content, pairLimits.messagesMax);
}

function decodeBytesList(content: Uint8Array, itemsMax: number): readonly Uint8Array[] {
  try {
    const list = decodeCbor(content, { bytesMax: envelopeLimits.contentBytesMax, depthMax: 1 });
    const isList = Array.isArray(list) && list.length <= itemsMax && list.every((item) => item instanceof Uint8Array);
    if (isList) return list as Uint8Array[];
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
  throw new SealRefusedError('content');
}
