import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { entryIdOf } from '../entries/entry-codec.ts';
import { hashLeaf } from '../merkle/hash.ts';
import { LeafTree } from '../merkle/leaf-tree.ts';
import { formatCheckpoint } from '../notes/checkpoint.ts';
import { createNoteVerifier, type NoteVerifier, signNoteText } from '../notes/keys.ts';
import { formatNote, type NoteSignature } from '../notes/note.ts';
import { encodeBundle } from '../tiles/bundle.ts';
import { parseTilePath, tileWidth, tileWidthAt } from '../tiles/path.ts';
import { type TestAuthor, testAuthor } from './sample-entries.ts';

/** One version of a log that a lying board shows to some. */
export class ShownLog {
  readonly leaves: Uint8Array[];
  /** How much of it the checkpoint covers; default all. */
  shownSize: number | null = null;
  /** Checkpoints carry these besides the board's own signature. */
  cosign: ((text: string) => readonly NoteSignature[]) | null = null;
  readonly #board: LyingBoard;

  constructor(board: LyingBoard, leaves: readonly Uint8Array[]) {
    this.#board = board;
    this.leaves = [...leaves];
  }

  get size(): number {
    return this.shownSize ?? this.leaves.length;
  }

  /** The tree of its first `size` leaves. */
  tree(size = this.size): LeafTree {
    const tree = new LeafTree();
    for (const leaf of this.leaves.slice(0, size)) tree.append(hashLeaf(leaf));
    return tree;
  }

  /** The checkpoint of `size` leaves, signed by the board. */
  note(size = this.size): Uint8Array {
    const { origin, key } = this.#board;
    const text = formatCheckpoint({ origin, size, root: this.tree(size).root(), extensions: [] });
    return formatNote({ text, signatures: [signNoteText(text, origin, key), ...(this.cosign?.(text) ?? [])] });
  }
}

/** What a board answers instead of the truth; null: what the log says. */
export type Answer = (path: string, request: IncomingMessage) => { status: number; body: Uint8Array } | 'hang' | null;

/**
 * A board over HTTP on loopback that shows whatever it is told to: every name under its address is a view of its own, as
 * `http://127.0.0.1:…/alice`. Checks nothing that it is given.
 */
export class LyingBoard implements AsyncDisposable {
  readonly origin: string;
  readonly key: TestAuthor;
  readonly verifier: NoteVerifier;
  readonly views = new Map<string, ShownLog>();
  /** Asked first. */
  answer: Answer | null = null;
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  readonly #server: Server;

  constructor(origin: string, server: Server) {
    this.origin = origin;
    this.key = testAuthor(`board ${origin}`);
    this.verifier = createNoteVerifier(origin, this.key.publicKey, 'ed25519');
    this.#server = server;
    server.on('request', (request, response) => void this.#serve(request, response));
  }

  static async start(origin = 'board.test/lying'): Promise<LyingBoard> {
    const server = createServer();
    const board = new LyingBoard(origin, server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return board;
  }

  /** A view with these leaves. */
  show(name: string, leaves: readonly Uint8Array[] = []): ShownLog {
    const log = new ShownLog(this, leaves);
    this.views.set(name, log);
    return log;
  }

  url(name: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, name = '', ...rest] = (request.url ?? '').split('/');
    const path = rest.join('/');
    this.asked.push(path);
    const body = await bodyOf(request);
    const answer = this.answer?.(path, request) ?? this.#truth(name, path, body);
    if (answer === 'hang') return;
    response.writeHead(answer.status).end(answer.body);
  }

  #truth(name: string, path: string, body: Uint8Array): { status: number; body: Uint8Array } {
    const log = this.views.get(name);
    if (log === undefined) return { status: 404, body: new Uint8Array(0) };
    if (path === 'checkpoint' || path === 'pending') return { status: 200, body: log.note() };
    if (path === 'add') {
      if (!log.leaves.some((leaf) => entryIdOf(leaf) === entryIdOf(body))) log.leaves.push(body);
      return { status: 200, body: new TextEncoder().encode('{}') };
    }
    const { index, width } = parseTilePath(path);
    if (tileWidthAt('entries', index, log.leaves.length) < width) return { status: 404, body: new Uint8Array(0) };
    const from = index * tileWidth;
    return { status: 200, body: encodeBundle(log.leaves.slice(from, from + width)) };
  }
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return new Uint8Array(Buffer.concat(parts));
}
