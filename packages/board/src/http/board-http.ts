import { type Clock, type Counter, type Meter, silentMeter, type WaitOptions } from '@pulsemesh/base';
import { fromHex, toHex } from '@pulsemesh/wire';
import { entryBytesMax } from '../entry.ts';
import type { AppendedLeaf, BoardLog } from '../log/board-log.ts';
import { parseCheckpoint, parseDecimal } from '../notes/checkpoint.ts';
import { parseNote } from '../notes/note.ts';
import { formatReceipt } from '../receipt/receipt.ts';
import { parseTilePath } from '../tiles/path.ts';
import { preflight, publicBytes, refusal, refusalOf } from './answers.ts';
import { readBody } from './body.ts';

/** Where a board's HTTP stands on a server's port, unless the options say otherwise. */
export const boardHttpPrefix = '/board';

/** Limits of a board's HTTP. */
export const boardHttpLimits = {
  pathCharactersMax: 256,
  /** How long a request's body may take. */
  bodyMs: 10_000,
  /** Additions under way at one time, of all and of one source; past them 503 and 429. */
  addingMax: 256,
  addingBySourceMax: 16,
} as const;

/** A request as a route gets it. */
export interface BoardRequest {
  readonly request: Request;
  /** What follows the route's own path and a slash; empty where nothing does. */
  readonly rest: string;
  /** The client's address, for limits. */
  readonly source: string;
  /** The whole body, at most `bytesMax` bytes, within {@link boardHttpLimits}.bodyMs. */
  body(bytesMax: number): Promise<Uint8Array>;
}

/** Answers one kind of request; conditions that it throws are answered as refusals. */
export type BoardRoute = (request: BoardRequest) => Promise<Response> | Response;

export interface BoardHttpOptions {
  readonly log: BoardLog;
  /** The signed checkpoint that is shown, with what cosignatures it has, of at most the log's size; default the log's own. */
  readonly shown?: () => Uint8Array;
  /** Judges and appends an entry. Null: this board takes none over HTTP. */
  readonly admit: ((leaf: Uint8Array, source: string, options: WaitOptions) => Promise<AppendedLeaf>) | null;
  /** Further routes, as `POST add-checkpoint`: a method and the first part of the path, or the whole path. */
  readonly routes?: Readonly<Record<string, BoardRoute>>;
  /** Default {@link boardHttpPrefix}. */
  readonly prefix?: string;
}

export interface BoardHttpDependencies {
  readonly clock: Clock;
  readonly meter?: Meter;
}

/** Answers a web-standard request; `source` is the client's address, for limits. */
export type BoardHttp = (request: Request, source: string) => Promise<Response>;

/**
 * A board as HTTP below its prefix (C2SP tlog-tiles): `GET checkpoint`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]`; besides
 * `GET receipt/<index>` and `receipt/<entry id>` (a tlog-proof under the checkpoint shown) and `POST add` (an entry's bytes; answers
 * `{index, id, isNew}` once it is durable under a signed checkpoint). Reads are for everybody, from any page. Never throws for what a
 * client sends.
 */
export function createBoardHttp(options: BoardHttpOptions, dependencies: BoardHttpDependencies): BoardHttp {
  const server = new BoardServer(options, dependencies);
  return (request, source) => server.answer(request, source);
}

class BoardServer {
  readonly #options: BoardHttpOptions;
  readonly #clock: Clock;
  readonly #requests: Counter;
  readonly #prefix: string;
  readonly #routes: ReadonlyMap<string, BoardRoute>;
  /** Additions under way, by source. */
  readonly #adding = new Map<string, number>();
  #addingCount = 0;
  /** What the note shown last says: it is asked for far more often than it changes. */
  #read: { readonly note: Uint8Array; readonly size: number } | null = null;

  constructor(options: BoardHttpOptions, { clock, meter = silentMeter }: BoardHttpDependencies) {
    this.#options = options;
    this.#clock = clock;
    this.#requests = meter.counter('board_http_requests_total', 'Requests to the board.', ['status']);
    this.#prefix = `${options.prefix ?? boardHttpPrefix}/`;
    this.#routes = new Map<string, BoardRoute>([
      ['GET checkpoint', (asked) => this.#checkpoint(asked)],
      ['GET tile', (asked) => this.#tile(asked)],
      ['GET receipt', (asked) => this.#receipt(asked)],
      ['POST add', (asked) => this.#add(asked)],
      ...Object.entries(options.routes ?? {}),
    ]);
  }

  async answer(request: Request, source: string): Promise<Response> {
    const response = await this.#answer(request, source).catch(refusalOf);
    this.#requests.add(1, { status: String(response.status) });
    return response;
  }

  async #answer(request: Request, source: string): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith(this.#prefix) || pathname.length > boardHttpLimits.pathCharactersMax) return nothingHere();
    const path = pathname.slice(this.#prefix.length);
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const border = path.indexOf('/');
    const name = this.#routes.has(`${method} ${path}`) || border < 0 ? path : path.slice(0, border);
    if (method === 'OPTIONS' && this.#routes.has(`GET ${name}`)) return preflight();
    const route = this.#routes.get(`${method} ${name}`);
    if (route === undefined) return nothingHere();
    const rest = path.slice(name.length + 1);
    const limits = (bytesMax: number) => ({ bytesMax, withinMs: boardHttpLimits.bodyMs });
    return route({ request, rest, source, body: (bytesMax) => readBody(request, limits(bytesMax), this.#clock) });
  }

  #checkpoint({ request, rest }: BoardRequest): Response {
    if (rest !== '') return nothingHere();
    return publicBytes(request, this.#shown().note, 'text/plain; charset=utf-8', 'revalidated');
  }

  #tile({ request, rest }: BoardRequest): Response {
    const tile = this.#options.log.tile(parseTilePath(`tile/${rest}`));
    return tile === null ? nothingHere() : publicBytes(request, tile, 'application/octet-stream', 'immutable');
  }

  #receipt({ request, rest }: BoardRequest): Response {
    const { log } = this.#options;
    const index = /^[0-9a-f]{64}$/.test(rest) ? log.indexOf(fromHex(rest)) : parseDecimal(rest);
    const { note, size } = this.#shown();
    const proof = index === null ? null : log.proveInclusion(index, size);
    if (index === null || proof === null) return nothingHere();
    const receipt = formatReceipt({ index, proof, checkpoint: note });
    return publicBytes(request, receipt, 'text/plain; charset=utf-8', 'revalidated');
  }

  async #add({ request, rest, source, body }: BoardRequest): Promise<Response> {
    const { admit } = this.#options;
    if (rest !== '' || admit === null) return nothingHere();
    const ofSource = this.#adding.get(source) ?? 0;
    if (ofSource >= boardHttpLimits.addingBySourceMax) return tooMany(429);
    if (this.#addingCount >= boardHttpLimits.addingMax) return tooMany(503);
    this.#adding.set(source, ofSource + 1);
    this.#addingCount += 1;
    try {
      const leaf = await body(entryBytesMax);
      const { index, leafHash, isNew } = await admit(leaf, source, { signal: request.signal });
      return Response.json({ index, id: toHex(leafHash), isNew }, { headers: { 'cache-control': 'no-store' } });
    } finally {
      this.#addingCount -= 1;
      const left = (this.#adding.get(source) ?? 1) - 1;
      if (left === 0) this.#adding.delete(source);
      else this.#adding.set(source, left);
    }
  }

  #shown(): { readonly note: Uint8Array; readonly size: number } {
    const note = this.#options.shown?.() ?? this.#options.log.checkpoint.note;
    if (this.#read?.note !== note) this.#read = { note, size: parseCheckpoint(parseNote(note).text).size };
    return this.#read;
  }
}

function nothingHere(): Response {
  return refusal(404, 'not-found', 'there is nothing here');
}

function tooMany(status: 429 | 503): Response {
  return refusal(status, 'board-adding', 'too many additions are under way', { 'retry-after': '1' });
}
