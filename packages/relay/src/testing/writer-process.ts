import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { EngineLimits, MailboxEngine, MessageToStore, StoredMessage } from '../engine.ts';
import { fromStart, inbox } from './engine-samples.ts';

/** Writers run for as long as a failover takes: their mailbox must not be full before. Relays of one engine have the same. */
export const writerLimits: Partial<EngineLimits> = {
  mailboxCountMax: 1_000_000,
  mailboxBytesMax: 2 ** 31,
  mailboxSenderCountMax: 1_000_000,
  mailboxSenderBytesMax: 2 ** 31,
  senderCountMax: 1_000_000,
  senderBytesMax: 2 ** 31,
};

/** The message that a writer stores under a number: always the same. */
export function numberedMessage(writer: number, number: number): MessageToStore {
  const messageId = new Uint8Array(16);
  const view = new DataView(messageId.buffer);
  view.setUint32(0, writer);
  view.setUint32(4, number);
  return {
    inbox: inbox(1),
    messageId,
    sender: inbox(0xa00 + writer),
    kind: 'message',
    envelope: new Uint8Array(1024).fill(number),
    priority: 'normal',
    ttlMs: 86_400_000,
    receiptTo: null,
  };
}

/** A process that stores numbered messages until it is killed or disposed, or its parent is gone. */
export class WriterProcess implements AsyncDisposable {
  readonly writer: number;
  readonly process: ChildProcess;
  #text = '';
  readonly #ended: Promise<unknown>;

  /** `url` null: LMDB in `directory`. */
  constructor(writer: number, url: string | null, directory = '') {
    this.writer = writer;
    const program = fileURLToPath(new URL('./engine-writer.ts', import.meta.url));
    const args = [program, url ?? '-', directory, String(writer)];
    this.process = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ended = Promise.all([
      once(this.process, 'exit'),
      this.process.stdout === null ? [] : once(this.process.stdout, 'close'),
    ]);
    this.process.stdout?.setEncoding('utf8').on('data', (part: string) => {
      this.#text += part;
    });
  }

  /** Numbers whose messages were acknowledged to it. A line that a kill cut off does not count. */
  get acknowledged(): readonly number[] {
    return this.#text.slice(0, this.#text.lastIndexOf('\n')).split('\n').filter(Boolean).map(Number);
  }

  /** Resolves once `count` are acknowledged. @throws when it ends before. */
  async reached(count: number): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      const look = () => this.acknowledged.length >= count && resolve();
      this.process.stdout?.on('data', look);
      look();
    });
    const ended = this.#ended.then(() => {
      throw new Error(`writer ${this.writer} ended by itself`);
    });
    await Promise.race([reached, ended]);
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** Everything in inbox 1, page by page. */
export async function readAll(engine: MailboxEngine): Promise<StoredMessage[]> {
  const all: StoredMessage[] = [];
  for (let after = fromStart; ; ) {
    const { messages } = await engine.read({ inbox: inbox(1), after, countMax: 1000, bytesMax: 2 ** 24 });
    const last = messages.at(-1);
    if (last === undefined) return all;
    all.push(...messages);
    after = { ...after, normal: last.offset };
  }
}

/** What a checker says of the writers: acknowledged and not there; there more than once; changed. */
export function checkWritten(writers: readonly WriterProcess[], stored: readonly StoredMessage[]) {
  const found = new Map<string, number>();
  let damaged = 0;
  for (const { messageId, envelope } of stored) {
    const view = new DataView(messageId.buffer, messageId.byteOffset);
    const key = `${view.getUint32(0)}/${view.getUint32(4)}`;
    found.set(key, (found.get(key) ?? 0) + 1);
    const expected = view.getUint32(4) & 0xff;
    if (envelope.length !== 1024 || envelope.some((byte) => byte !== expected)) damaged += 1;
  }
  const lost = writers.flatMap(({ writer, acknowledged }) =>
    acknowledged.map((number) => `${writer}/${number}`).filter((key) => !found.has(key)),
  );
  const doubled = [...found].filter(([, count]) => count > 1).map(([key]) => key);
  return { lost, doubled, damaged };
}
