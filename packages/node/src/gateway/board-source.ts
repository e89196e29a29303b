import { type Clock, Condition, type Logger, TimeoutError, type WaitOptions, withTimeout } from '@pulsemesh/base';
import { entryBytesMax } from '@pulsemesh/board';
import { parseTilePath, tileWidth } from '@pulsemesh/board/verify';
import { createDialer, createDialerFetch, type HttpFetch } from '@pulsemesh/link';
import type { BoardPlaceView } from '../api/types.ts';
import type { BoardPageSettings } from '../config/board-page-settings.ts';

/** What the gateway lets a page read of a board. */
export interface BoardSource {
  readonly place: BoardPlaceView;
  /**
   * Asks the board for one of the paths of its read API; `path` is what follows `/board/` in the request, as it was sent.
   * @throws {BoardPathError}; {BoardAwayError}; {BoardBusyError}; the signal's reason.
   */
  read(path: string, options: WaitOptions & { readonly knownEtag: string | null }): Promise<BoardAnswer>;
}

/** What the board answered, its body read to the end; null where the page has it already. */
export interface BoardAnswer {
  readonly status: 200 | 304 | 404;
  readonly body: Uint8Array | null;
  /** Of the board's headers those that say how long the answer may be kept. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Not one of the paths that a page may read. */
export class BoardPathError extends Condition {
  override readonly name = 'BoardPathError';
  constructor() {
    super('not-found', 'the board has nothing at this address');
  }
}

/** The board does not answer, or not as a board does. Retryable. */
export class BoardAwayError extends Condition {
  override readonly name = 'BoardAwayError';
  constructor(cause?: unknown) {
    super('board-away', 'the board does not answer this gateway', { retryable: true, cause });
  }
}

/** More requests to the board are under way than the gateway makes at one time. Retryable. */
export class BoardBusyError extends Condition {
  override readonly name = 'BoardBusyError';
  constructor() {
    super('board-busy', 'too many requests to the board are under way', { retryable: true });
  }
}

/** Limits of what the gateway fetches for pages. */
export const boardSourceLimits = {
  /** One request with its answer, milliseconds. */
  requestMs: 20_000,
  /** Requests at one time; each holds at most one bundle. */
  atOnceMax: 8,
  /** 256 entries with their lengths. */
  bundleBytesMax: tileWidth * (entryBytesMax + 2),
  tileBytesMax: tileWidth * 32,
  /** A checkpoint or a receipt. */
  textBytesMax: 128 * 1024,
  /** Characters of an `ETag`, as sent on. */
  etagCharactersMax: 128,
} as const;

export interface BoardSourceDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: straight to the board, or through the proxy that the environment names. Redirections are given back, not followed. */
  readonly fetch?: HttpFetch;
}

/** Reads a board for pages; disposing it ends its kept connections. */
export function openBoardSource(settings: BoardPageSettings, deps: BoardSourceDependencies): BoardSource & Disposable {
  const stack = new DisposableStack();
  const { caFile } = settings;
  const trust = caFile === undefined ? {} : { trust: { caFiles: [caFile] } };
  const fetch = deps.fetch ?? stack.use(createDialerFetch(createDialer(trust, deps))).fetch;
  const reader = new BoardReader(settings, { clock: deps.clock, fetch });
  return Object.assign(reader, { [Symbol.dispose]: () => stack.dispose() });
}

class BoardReader implements BoardSource {
  readonly place: BoardPlaceView;
  readonly #base: string;
  readonly #deps: { readonly clock: Clock; readonly fetch: HttpFetch };
  #underWay = 0;

  constructor(settings: BoardPageSettings, deps: { readonly clock: Clock; readonly fetch: HttpFetch }) {
    const { url, key, witnesses, authorities } = settings;
    const majority = witnesses.length === 0 ? 0 : Math.floor(witnesses.length / 2) + 1;
    this.place = { key, witnesses, quorum: settings.quorum ?? majority, authorities };
    this.#base = url.replace(/\/+$/, '');
    this.#deps = deps;
  }

  async read(path: string, options: WaitOptions & { readonly knownEtag: string | null }): Promise<BoardAnswer> {
    const bytesMax = bytesMaxOf(path);
    if (bytesMax === null) throw new BoardPathError();
    if (this.#underWay >= boardSourceLimits.atOnceMax) throw new BoardBusyError();
    this.#underWay += 1;
    try {
      const ask = (signal: AbortSignal) => this.#ask(path, bytesMax, { signal, knownEtag: options.knownEtag });
      return await withTimeout(this.#deps.clock, 'the board', boardSourceLimits.requestMs, ask, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof BoardAwayError) throw error;
      // Whatever the way to the board says is for the operator, not for whoever asks.
      if (error instanceof Condition || error instanceof TimeoutError) throw new BoardAwayError(error);
      throw error;
    } finally {
      this.#underWay -= 1;
    }
  }

  async #ask(
    path: string,
    bytesMax: number,
    { signal, knownEtag }: { readonly signal: AbortSignal; readonly knownEtag: string | null },
  ): Promise<BoardAnswer> {
    const known = knownEtag !== null && isEtag(knownEtag) ? { 'if-none-match': knownEtag } : {};
    // Nothing of the page's request goes on but the path, which is spelt as the board spells it, and what it has already.
    const response = await this.#deps.fetch(new Request(`${this.#base}/${path}`, { headers: known, signal }));
    const { status } = response;
    if (status === 304 && knownEtag !== null) return { status, body: null, headers: keptHeaders(response.headers) };
    if (status === 404 || status === 200) {
      const body = await readUpTo(response, bytesMax);
      if (status === 200) return { status, body, headers: keptHeaders(response.headers) };
      return { status, body: null, headers: {} };
    }
    await response.body?.cancel();
    throw new BoardAwayError();
  }
}

/** How long the answer to a path may be; null for paths that are not the read API's, or spelt otherwise than the board spells them. */
function bytesMaxOf(path: string): number | null {
  if (path === 'checkpoint') return boardSourceLimits.textBytesMax;
  if (/^receipt\/(?:0|[1-9]\d{0,15}|[0-9a-f]{64})$/.test(path)) return boardSourceLimits.textBytesMax;
  try {
    const { level } = parseTilePath(path);
    return level === 'entries' ? boardSourceLimits.bundleBytesMax : boardSourceLimits.tileBytesMax;
  } catch {
    return null; // whatever it is, it is no tile
  }
}

function isEtag(text: string): boolean {
  return text.length <= boardSourceLimits.etagCharactersMax && /^(?:W\/)?"[\x21\x23-\x7e]*"$/.test(text);
}

/** The board's word on keeping, where it is one that the gateway knows; the answer belongs to whoever has the token. */
function keptHeaders(headers: Headers): Record<string, string> {
  const etag = headers.get('etag');
  const isImmutable = /\bimmutable\b/.test(headers.get('cache-control') ?? '');
  return {
    'cache-control': isImmutable ? 'private, max-age=31536000, immutable' : 'private, no-cache',
    ...(etag !== null && isEtag(etag) ? { etag } : {}),
  };
}

async function readUpTo(response: Response, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    // Leaving the loop cancels the rest.
    if (length > bytesMax) throw new BoardAwayError();
    parts.push(part);
  }
  return Buffer.concat(parts);
}
