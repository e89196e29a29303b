import { type Clock, startTicker, type Ticker } from '@pulsemesh/base/clock';
import { errorCode, errorMessage } from '@pulsemesh/base/errors';
import type { AnyBoardEntry, EntryKind } from '@pulsemesh/board';
import type { TaskView } from '@pulsemesh/learning/view';
import type { BoardPlaceView } from '@pulsemesh/node/api';
import type { ApiClient } from '../api/client.ts';
import { type BoardMemory, isSamePlace, recallBoard, rememberBoard } from './board-memory.ts';
import { FollowerLine } from './follower-line.ts';
import type {
  FetchedReceipt,
  FromFollower,
  HeadView,
  LieView,
  Line,
  News,
  ReceiptVerdict,
  ToFollower,
} from './messages.ts';

/** What the pages of the board show; each change makes a new object. */
export interface BoardState {
  readonly phase:
    | { readonly kind: 'loading' }
    /** This gateway shows no board. */
    | { readonly kind: 'none' }
    /** The gateway names another board, or other people to believe, than the last time. */
    | { readonly kind: 'other'; readonly before: BoardPlaceView; readonly now: BoardPlaceView }
    /** The gateway does not say which board. */
    | { readonly kind: 'failed'; readonly text: string }
    | { readonly kind: 'open'; readonly place: BoardPlaceView };
  /** Verified, in order; grows in place, `size` says how far. */
  readonly entries: readonly AnyBoardEntry[];
  readonly size: number;
  /** Null before the first. */
  readonly head: HeadView | null;
  /** When the board was looked at last, and answered as it should; wall time. */
  readonly checkedMs: number | null;
  readonly isReading: boolean;
  /** Why the last look failed. */
  readonly trouble: 'unreachable' | 'uncosigned' | 'unusable' | null;
  /** What the follower said of it; for who looks after the board. */
  readonly troubleText: string | null;
  readonly lie: LieView | null;
  /** The board shows less than this browser saw of it before. */
  readonly behind: { readonly note: string; readonly size: number; readonly seenMs: number | null } | null;
  readonly tasks: readonly TaskView[] | null;
}

export interface BoardStoreDependencies {
  readonly clock: Clock;
  readonly client: Pick<ApiClient, 'boardPlace' | 'token'>;
  readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
  readonly startFollower: () => Line<ToFollower, FromFollower>;
  /** The server's wall time. */
  readonly nowMs: () => number;
}

/** How often the board is looked at while a page shows it. */
export const lookEveryMs = 10_000;

const empty: BoardState = {
  phase: { kind: 'loading' },
  entries: [],
  size: 0,
  head: null,
  checkedMs: null,
  isReading: false,
  trouble: null,
  troubleText: null,
  lie: null,
  behind: null,
  tasks: null,
};

/** What the pages know of the board. Looks at it as long as somebody listens. The owner calls `stop`. */
export class BoardStore {
  readonly #deps: BoardStoreDependencies;
  readonly #listeners = new Set<() => void>();
  readonly #entries: AnyBoardEntry[] = [];
  readonly #byId = new Map<string, AnyBoardEntry>();
  readonly #byKind = new Map<EntryKind, AnyBoardEntry[]>();
  readonly #names = new Map<string, string>();
  #state: BoardState = { ...empty, entries: this.#entries };
  #line: FollowerLine | null = null;
  #ticker: Ticker | null = null;
  #isStopped = false;
  #memory: BoardMemory | null = null;

  constructor(dependencies: BoardStoreDependencies) {
    this.#deps = dependencies;
  }

  get state(): BoardState {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (!this.#isStopped)
      this.#ticker ??= startTicker(
        this.#deps.clock,
        lookEveryMs,
        () => this.look(),
        () => undefined,
      );
    if (this.#listeners.size === 1) void this.look();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#ticker?.stop();
      this.#ticker = null;
    };
  };

  entry(id: string): AnyBoardEntry | null {
    return this.#byId.get(id) ?? null;
  }

  /** In order. */
  ofKind(kind: EntryKind | null): readonly AnyBoardEntry[] {
    return kind === null ? this.#entries : (this.#byKind.get(kind) ?? []);
  }

  /** As the newest key entry says; null: it is not enrolled. */
  nameOf(peer: string): string | null {
    return this.#names.get(peer) ?? null;
  }

  /** Looks at the board now; one look at a time. */
  async look(): Promise<void> {
    if (this.#state.isReading || this.#isStopped || this.#state.lie !== null) return;
    this.#change({ isReading: true });
    try {
      if (this.#line === null) await this.#open();
      if (this.#line !== null) await this.#refresh(this.#line);
    } finally {
      this.#change({ isReading: false });
    }
  }

  /** The person says that the other board is the right one: what was remembered is forgotten. */
  async trustOther(): Promise<void> {
    const { phase } = this.#state;
    if (phase.kind !== 'other') return;
    // Under the same key it stays the same log, whose past goes on to count.
    const isSameLog = phase.before.key === phase.now.key && this.#memory !== null;
    const kept = isSameLog ? this.#memory : null;
    this.#remember({
      place: phase.now,
      note: kept?.note ?? null,
      evidence: kept?.evidence ?? null,
      seenMs: kept?.seenMs ?? null,
      size: kept?.size ?? 0,
    });
    this.#change({ phase: { kind: 'loading' } });
    await this.look();
  }

  /** @throws {FollowerError} */
  receipt(index: number): Promise<FetchedReceipt> {
    return this.#opened().ask({ ask: 'receipt', index });
  }

  /** @throws {FollowerError} */
  check(receipt: Uint8Array, leaf: Uint8Array | null): Promise<ReceiptVerdict> {
    return this.#opened().ask({ ask: 'check', receipt, leaf });
  }

  /** Ends the follower; may be called twice. */
  stop(): void {
    this.#isStopped = true;
    this.#ticker?.stop();
    this.#line?.close();
    this.#listeners.clear();
  }

  async #open(): Promise<void> {
    const { client, storage } = this.#deps;
    let place: BoardPlaceView | null;
    try {
      place = (await client.boardPlace()).board;
    } catch (error) {
      const text = error instanceof Error ? error.message : 'The server does not say which board.';
      return this.#change({ phase: { kind: 'failed', text } });
    }
    if (this.#isStopped) return;
    if (place === null) return this.#change({ phase: { kind: 'none' } });
    this.#memory = recallBoard(storage);
    if (this.#memory !== null && !isSamePlace(this.#memory.place, place)) {
      return this.#change({ phase: { kind: 'other', before: this.#memory.place, now: place } });
    }
    const line = new FollowerLine(this.#deps.startFollower(), (news) => this.#hear(news));
    const { note = null, evidence = null } = this.#memory ?? {};
    try {
      await line.ask({ ask: 'open', place, url: '/board', token: client.token, remembered: { note, evidence } });
    } catch (error) {
      line.close();
      const text = error instanceof Error ? error.message : 'The board cannot be opened.';
      return this.#change({ phase: { kind: 'failed', text } });
    }
    this.#line = line;
    this.#change({ phase: { kind: 'open', place } });
  }

  async #refresh(line: FollowerLine): Promise<void> {
    const { phase } = this.#state;
    if (phase.kind !== 'open') return;
    try {
      const { head, isBehindMemory } = await line.ask({ ask: 'refresh' });
      if (head === null) return this.#change({ trouble: 'uncosigned', troubleText: null });
      const { note = null, size = 0, seenMs = null } = this.#memory ?? {};
      const behind = isBehindMemory && note !== null ? { note, size, seenMs } : null;
      const nowMs = this.#deps.nowMs();
      this.#change({ head, checkedMs: nowMs, trouble: null, troubleText: null, behind });
      // What the board showed once is not forgotten for less.
      if (behind === null) {
        this.#remember({ place: phase.place, note: head.note, evidence: null, seenMs: nowMs, size: head.size });
      }
      const tasks = await line.ask({ ask: 'tasks', nowMs });
      this.#change({ tasks });
    } catch (error) {
      if (this.#state.lie !== null) return;
      const trouble = errorCode(error) === 'board-unreachable' ? 'unreachable' : 'unusable';
      this.#change({ trouble, troubleText: errorMessage(error) });
    }
  }

  #hear(news: News): void {
    if (news.news === 'lie') {
      const { phase } = this.#state;
      const memory = this.#memory;
      this.#change({ lie: news.lie });
      if (phase.kind !== 'open' && memory === null) return;
      const place = phase.kind === 'open' ? phase.place : memory?.place;
      if (place === undefined) return;
      const { note = null, seenMs = null, size = 0 } = memory ?? {};
      this.#remember({ place, note, seenMs, size, evidence: news.lie.file });
      return;
    }
    for (const entry of news.entries) this.#take(entry);
    this.#change({ size: this.#entries.length });
  }

  #take(entry: AnyBoardEntry): void {
    this.#entries.push(entry);
    this.#byId.set(entry.id, entry);
    const ofKind = this.#byKind.get(entry.kind);
    if (ofKind === undefined) this.#byKind.set(entry.kind, [entry]);
    else ofKind.push(entry);
    if (entry.kind === 'key' && entry.body.action !== 'revoke') this.#names.set(entry.body.subject, entry.body.name);
  }

  #remember(memory: BoardMemory): void {
    this.#memory = memory;
    rememberBoard(this.#deps.storage, memory);
  }

  #opened(): FollowerLine {
    if (this.#line === null) throw new Error('asked before the board was opened');
    return this.#line;
  }

  #change(change: Partial<BoardState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of [...this.#listeners]) listener();
  }
}
