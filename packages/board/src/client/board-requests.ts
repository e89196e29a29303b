import { type Clock, Condition, errorMessage, type WaitOptions, withTimeout } from '@pulsemesh/base';
import { MalformedError } from '../errors.ts';
import { noteLimits } from '../notes/note.ts';
import { decodeBundle } from '../tiles/bundle.ts';
import { tilePath, tileWidth, tileWidthAt } from '../tiles/path.ts';
import { BoardRefusedError, BoardUnreachableError } from './errors.ts';
import type { BoardFetch, FetchAnswer } from './fetch.ts';

export const requestLimits = {
  /** One request, milliseconds. */
  requestMs: 20_000,
  /** Bundles asked for at one time. */
  parallelMax: 4,
  /** 256 entries of the longest kind with their lengths. */
  bundleBytesMax: tileWidth * (0xffff + 2),
  answerBytesMax: 16 * 1024,
} as const;

/** Which checkpoint is followed: the one that counts, or the newest, which waits for witnesses. */
export type CheckpointPath = 'checkpoint' | 'pending';

export interface BoardRequestsOptions {
  /** Where the board is, as `https://board.example`; a path before its resources is kept. */
  readonly url: string;
  readonly origin: string;
  readonly checkpointPath: CheckpointPath;
}

/** The requests that a client makes of a board (C2SP tlog-tiles for reading). All throw {@link BoardUnreachableError}. */
export class BoardRequests {
  readonly #options: BoardRequestsOptions;
  readonly #deps: { readonly clock: Clock; readonly fetch: BoardFetch };
  readonly #base: string;

  constructor(options: BoardRequestsOptions, dependencies: { readonly clock: Clock; readonly fetch: BoardFetch }) {
    this.#options = options;
    this.#deps = dependencies;
    this.#base = options.url.replace(/\/+$/, '');
  }

  checkpoint(options: WaitOptions): Promise<Uint8Array> {
    return this.#get(this.#options.checkpointPath, noteLimits.bytesMax, options);
  }

  /** The leaves from `from` to the end of a log of `size`. `bytesMax` over all. @throws {RangeError} past it. */
  async leaves(from: number, size: number, bytesMax: number, options: WaitOptions): Promise<Uint8Array[]> {
    const leaves: Uint8Array[] = [];
    let bytes = 0;
    const first = Math.floor(from / tileWidth);
    const end = Math.ceil(size / tileWidth);
    for (let index = first; index < end; index += requestLimits.parallelMax) {
      const count = Math.min(requestLimits.parallelMax, end - index);
      const bundles = await Promise.all(
        Array.from({ length: count }, (_, at) => this.#bundle(index + at, size, options)),
      );
      for (const [at, bundle] of bundles.entries()) {
        const kept = index + at === first ? bundle.slice(from % tileWidth) : bundle;
        for (const leaf of kept) {
          bytes += leaf.length;
          if (bytes > bytesMax) throw new RangeError('bytesMax');
          // A copy: a view would keep the whole bundle, once more for each entry that is read alone.
          leaves.push(leaf.slice());
        }
      }
    }
    return leaves;
  }

  /** Adds a leaf. @throws {BoardRefusedError} besides. */
  async add(leaf: Uint8Array, options: WaitOptions): Promise<void> {
    const answer = await this.#request('add', { method: 'POST', body: leaf }, requestLimits.answerBytesMax, options);
    if (answer.status === 200) return;
    const { code, text } = refusalOf(answer.body);
    const isOver = code === 'not-admitted-to-board' && answer.status === 429;
    if (isOver) throw new BoardRefusedError(code, text ?? 'no more today', { retryable: true });
    // Too many at one time, or the server's own trouble: the same may be taken in a moment.
    if (answer.status === 429 || answer.status >= 500) throw this.#unreachable(`it answered ${answer.status}`);
    throw new BoardRefusedError(code ?? `status-${answer.status}`, text ?? `it answered ${answer.status}`);
  }

  /** Brings cosignatures, as a note. */
  async bringCosignatures(note: Uint8Array, options: WaitOptions): Promise<void> {
    const init = { method: 'POST', body: note } as const;
    const { status } = await this.#request('cosignatures', init, requestLimits.answerBytesMax, options);
    if (status !== 200) throw this.#unreachable(`it answered ${status}`);
  }

  async #bundle(index: number, size: number, options: WaitOptions): Promise<Uint8Array[]> {
    const width = tileWidthAt('entries', index, size);
    const path = tilePath({ level: 'entries', index, width });
    const bytes = await this.#get(path, requestLimits.bundleBytesMax, options);
    try {
      return decodeBundle(bytes, width);
    } catch (error) {
      if (error instanceof MalformedError) throw this.#unreachable('a bundle of entries is not readable', error);
      throw error;
    }
  }

  async #get(path: string, bytesMax: number, options: WaitOptions): Promise<Uint8Array> {
    const { status, body } = await this.#request(path, { method: 'GET' }, bytesMax, options);
    if (status !== 200) throw this.#unreachable(`it answered ${status}`);
    return body;
  }

  async #request(
    path: string,
    init: Pick<Parameters<BoardFetch>[1], 'method' | 'body'>,
    bytesMax: number,
    options: WaitOptions,
  ): Promise<{ readonly status: number; readonly body: Uint8Array }> {
    const ask = async (signal: AbortSignal) => {
      const answer: FetchAnswer = await this.#deps.fetch(`${this.#base}/${path}`, { ...init, signal });
      return { status: answer.status, body: await answer.bytes(bytesMax) };
    };
    try {
      return await withTimeout(this.#deps.clock, 'a request to the board', requestLimits.requestMs, ask, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw this.#unreachable(error instanceof Condition ? error.message : errorMessage(error), error);
    }
  }

  #unreachable(why: string, cause?: unknown): BoardUnreachableError {
    return new BoardUnreachableError(this.#options.origin, why, cause === undefined ? {} : { cause });
  }
}

/** `{error, message}`, as far as it is one. */
function refusalOf(body: Uint8Array): { readonly code?: string; readonly text?: string } {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(body));
    if (typeof parsed !== 'object' || parsed === null) return {};
    const { error, message } = parsed as Record<string, unknown>;
    return {
      ...(typeof error === 'string' ? { code: error.slice(0, 64) } : {}),
      ...(typeof message === 'string' ? { text: printable(message) } : {}),
    };
  } catch {
    return {};
  }
}

/** What a server says may be shown to people: shortened, without what steers a terminal. */
function printable(text: string): string {
  return text.slice(0, 500).replace(/\p{Cc}/gu, ' ');
}
