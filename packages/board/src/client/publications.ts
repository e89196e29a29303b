import { type Clock, sleep, type WaitOptions } from '@pulsemesh/base';
import { peerIdOfEd25519, toHex } from '@pulsemesh/wire';
import type { Author, PublishedEntry } from '../board.ts';
import type { EntryBodies } from '../entries/bodies.ts';
import { contentKeyOf, parseOwnEntry, signEntry } from '../entries/entry-codec.ts';
import { EntryRefusedError } from '../entries/errors.ts';
import type { EntryKind } from '../entry.ts';
import type { BoardRequests } from './board-requests.ts';
import { clientLimits } from './client-limits.ts';
import type { ClientStore } from './client-store.ts';
import { BoardRefusedError, BoardUnreachableError, NotCountersignedError } from './errors.ts';
import type { FollowedLog } from './followed-log.ts';

export interface PublicationsDependencies {
  readonly clock: Clock;
  readonly store: ClientStore;
  readonly log: FollowedLog;
  readonly requests: BoardRequests;
  /** Reads what is new on the board. */
  readonly refresh: (options: WaitOptions) => Promise<void>;
}

/** A client's entries on their way to the board: signed once, kept until they are seen there, whatever crashes meanwhile. */
export class Publications {
  readonly #board: { readonly origin: string; readonly quorum: number };
  readonly #deps: PublicationsDependencies;

  constructor(board: { readonly origin: string; readonly quorum: number }, deps: PublicationsDependencies) {
    this.#board = board;
    this.#deps = deps;
  }

  /** As `Board.publish`. @throws {BoardRefusedError}; {EntryRefusedError}; {NotCountersignedError}; what refreshing throws. */
  async publish<Kind extends EntryKind>(
    kind: Kind,
    body: EntryBodies[Kind],
    author: Author,
    options: WaitOptions,
  ): Promise<PublishedEntry> {
    const { log, clock } = this.#deps;
    const key = contentKeyOf(kind, body, peerIdOfEd25519(author.publicKey));
    const known = log.indexOf(key);
    if (known !== null) return this.#published(known, key);
    const leaf = await this.#outgoing(key, { kind, body, createdMs: clock.now() }, author);
    return this.#publishLeaf(key, leaf, options);
  }

  /** The leaf that says it, signed once: repeated after a crash, it is the same leaf, which the board knows again. */
  async #outgoing<Kind extends EntryKind>(
    key: string,
    draft: { readonly kind: Kind; readonly body: EntryBodies[Kind]; readonly createdMs: number },
    author: Author,
  ): Promise<Uint8Array> {
    const { store } = this.#deps;
    const kept = store.outgoing(key);
    if (kept !== null) return kept;
    if (store.outgoingCount() >= clientLimits.outgoingMax) {
      throw new BoardRefusedError('too-many', 'too many entries wait for the board already', { retryable: true });
    }
    const leaf = signEntry(draft, this.#board.origin, author);
    await store.keepOutgoing(key, leaf);
    return leaf;
  }

  async #publishLeaf(key: string, leaf: Uint8Array, options: WaitOptions): Promise<PublishedEntry> {
    const { clock, log, refresh } = this.#deps;
    const startedMs = clock.monotonicMs();
    let isTaken = false;
    let trouble: unknown = null;
    for (let pollMs: number = clientLimits.pollFirstMs; ; pollMs = Math.min(clientLimits.pollLastMs, pollMs * 2)) {
      try {
        if (!isTaken) {
          await this.#add(key, leaf, options);
          isTaken = true;
        }
        await refresh(options);
        trouble = null;
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!(error instanceof BoardUnreachableError)) throw error;
        trouble = error;
      }
      const index = log.indexOf(key);
      if (index !== null) return this.#published(index, key);
      if (clock.monotonicMs() - startedMs >= clientLimits.publishMs) break;
      await sleep(clock, pollMs, options);
    }
    if (trouble !== null && !isTaken) throw trouble;
    const { origin, quorum } = this.#board;
    throw new NotCountersignedError(origin, { isTaken, cosigners: log.head?.cosigners ?? 0, quorum });
  }

  async #add(key: string, leaf: Uint8Array, options: WaitOptions): Promise<void> {
    const { log, requests, store } = this.#deps;
    // What is against the rules here is so at the board; its own reader would skip it.
    const refusal = log.book.refusalOf(parseOwnEntry(leaf, { index: 0, origin: this.#board.origin }));
    try {
      await requests.add(leaf, options);
    } catch (error) {
      if (!(error instanceof BoardRefusedError)) throw error;
      await store.dropOutgoing(key);
      throw refusal === null ? error : new EntryRefusedError(refusal);
    }
  }

  async #published(index: number, key: string): Promise<PublishedEntry> {
    const { log, store } = this.#deps;
    if (store.outgoing(key) !== null) await store.dropOutgoing(key);
    return { index, id: toHex(log.leafHash(index)), receipt: log.receipt(index) };
  }
}
