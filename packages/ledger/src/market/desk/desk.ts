import type { Clock, Logger, Meter, Random } from '@pulsemesh/base';
import type { Box } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import { OfficeClosedError } from '../errors.ts';
import { encodeMessage } from '../message-codec.ts';
import type { MessageBodies, MessageKind } from '../messages.ts';
import type { Notice, NoticeSink } from '../offices.ts';
import type { Post } from '../post.ts';
import { DeskRows } from './desk-rows.ts';
import { Outbox, type OutboxLimits, type OutRow } from './outbox.ts';

export interface DeskMeans {
  readonly store: TableStore;
  /** Seals what is kept: nobody who copies the disk learns who agreed to what. */
  readonly box: Box;
  readonly post: Pick<Post<unknown>, 'send'>;
  readonly notices: NoticeSink | null;
  readonly table: string;
  /** Default {@link deskLimits}. */
  readonly limits?: OutboxLimits;
}

export interface DeskDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** Changes in the making: read through it, and what was changed is seen. Nothing of it happens unless all of it is committed. */
export interface Change<Rows> {
  get<Kind extends keyof Rows & string>(kind: Kind, id: string): Rows[Kind] | undefined;
  all<Kind extends keyof Rows & string>(kind: Kind): Iterable<readonly [string, Rows[Kind]]>;
  put<Kind extends keyof Rows & string>(kind: Kind, id: string, value: Rows[Kind]): void;
  remove<Kind extends keyof Rows & string>(kind: Kind, id: string): void;
  /** Goes out once committed, however often the process dies. `about`: what it can be called back by. */
  send<Kind extends MessageKind>(to: PeerId, kind: Kind, body: MessageBodies[Kind], about: string): void;
  tell(notice: Notice): void;
  /** Takes back what waits about this and was not handed over yet. */
  callBack(about: string): void;
}

/**
 * An office's desk: rows in memory as they are on the disk, changed one transaction after another, and what goes out with each of them.
 * Disposing it ends the sending; nothing is lost.
 */
export class Desk<Rows extends object> implements AsyncDisposable {
  readonly #rows: DeskRows;
  readonly #outbox: Outbox;
  readonly #kept = new Map<string, Map<string, unknown>>();
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** @throws {SealBrokenError} when the rows are of another key or were altered. */
  constructor(means: DeskMeans, dependencies: DeskDependencies) {
    this.#rows = new DeskRows(means.store, means.box, means.table);
    this.#outbox = new Outbox(this.#rows, means, dependencies);
    for (const { kind, id, value } of this.#rows.load()) {
      if (kind === 'out')
        this.#outbox.restore(id, value as OutRow); // written by the outbox alone
      else this.#kindOf(kind).set(id, value);
    }
  }

  /** Begins to send what a former life left. */
  start(): void {
    this.#outbox.pump();
  }

  get<Kind extends keyof Rows & string>(kind: Kind, id: string): Rows[Kind] | undefined {
    return this.#kindOf(kind).get(id) as Rows[Kind] | undefined; // only `put` writes it
  }

  all<Kind extends keyof Rows & string>(kind: Kind): ReadonlyMap<string, Rows[Kind]> {
    return this.#kindOf(kind) as ReadonlyMap<string, Rows[Kind]>; // only `put` writes it
  }

  /** How many messages and notices wait for the post. */
  get waiting(): number {
    return this.#outbox.waiting;
  }

  /**
   * Runs `work` when all before it is done, and commits what it changed, with `marks`, at once; what it throws changes nothing.
   * `work` waits for nothing that takes long and begins no other transaction.
   */
  transact<Value>(
    work: (change: Change<Rows>) => Value | Promise<Value>,
    marks: readonly TableChange[] = [],
  ): Promise<Value> {
    const run = this.#last.then(async () => {
      if (this.#isClosed) throw new OfficeClosedError();
      const draft = new Draft<Rows>(this);
      const value = await work(draft);
      await this.#commit(draft, marks);
      return value;
    });
    this.#last = run.catch(() => {});
    return run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#outbox.stop();
    await this.#last;
  }

  async #commit(draft: Draft<Rows>, marks: readonly TableChange[]): Promise<void> {
    const { changed, sent, calledBack } = draft;
    const out = this.#outbox.prepare(sent, calledBack);
    const rows = [...changed].map(([, { kind, id, value }]) =>
      value === undefined ? this.#rows.remove(kind, id) : this.#rows.put(kind, id, value),
    );
    const changes = [...marks, ...rows, ...out.changes];
    if (changes.length > 0) await this.#rows.commit(changes);
    for (const { kind, id, value } of changed.values()) {
      if (value === undefined) this.#kindOf(kind).delete(id);
      else this.#kindOf(kind).set(id, value);
    }
    out.committed();
  }

  #kindOf(kind: string): Map<string, unknown> {
    let rows = this.#kept.get(kind);
    if (rows === undefined) {
      rows = new Map();
      this.#kept.set(kind, rows);
    }
    return rows;
  }
}

interface Changed {
  readonly kind: string;
  readonly id: string;
  /** Undefined: removed. */
  readonly value: unknown;
}

class Draft<Rows extends object> implements Change<Rows> {
  readonly changed = new Map<string, Changed>();
  readonly sent: OutRow['what'][] = [];
  readonly calledBack = new Set<string>();
  readonly #desk: Desk<Rows>;

  constructor(desk: Desk<Rows>) {
    this.#desk = desk;
  }

  get<Kind extends keyof Rows & string>(kind: Kind, id: string): Rows[Kind] | undefined {
    const changed = this.changed.get(`${kind}/${id}`);
    return changed === undefined ? this.#desk.get(kind, id) : (changed.value as Rows[Kind] | undefined); // only `put` writes it
  }

  *all<Kind extends keyof Rows & string>(kind: Kind): Generator<readonly [string, Rows[Kind]]> {
    for (const [id, value] of this.#desk.all(kind)) {
      if (!this.changed.has(`${kind}/${id}`)) yield [id, value];
    }
    for (const changed of [...this.changed.values()]) {
      if (changed.kind === kind && changed.value !== undefined) yield [changed.id, changed.value as Rows[Kind]]; // as above
    }
  }

  put<Kind extends keyof Rows & string>(kind: Kind, id: string, value: Rows[Kind]): void {
    this.changed.set(`${kind}/${id}`, { kind, id, value });
  }

  remove<Kind extends keyof Rows & string>(kind: Kind, id: string): void {
    this.changed.set(`${kind}/${id}`, { kind, id, value: undefined });
  }

  send<Kind extends MessageKind>(to: PeerId, kind: Kind, body: MessageBodies[Kind], about: string): void {
    this.sent.push({ way: 'post', to, about, message: encodeMessage(kind, body) });
  }

  tell(notice: Notice): void {
    this.sent.push({ way: 'notice', notice: { ...notice } });
  }

  callBack(about: string): void {
    this.calledBack.add(about);
  }
}
