import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Logger } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import { toHex } from '@pulsemesh/wire';
import { type InboxMessage, messageIdOfRaw, readMessage } from './read-message.ts';

export interface MessageStoreOptions {
  /** Made if missing; the mails lie in it as `.eml` files. */
  readonly directory: string;
  /** Past it the oldest mail is dropped. Default 1,000. */
  readonly messagesMax?: number;
}

/** Mails on disk and, as the page shows them, in memory. A mail with a Message-ID that is held is taken only once. */
export interface MessageStore {
  /** Newest first. */
  list(): readonly InboxMessage[];
  get(id: string): InboxMessage | undefined;
  /** Resolves once the mail is durable: the message, and whether it is new. @throws what the file system throws. */
  add(raw: Uint8Array): Promise<{ readonly message: InboxMessage; readonly isNew: boolean }>;
}

const messagesMaxDefault = 1000;
const fileName = /^(\d{15})-([0-9a-f]{16})\.eml$/;

/** Opens a directory of mails, reading what is there. */
export async function openMessageStore(
  options: MessageStoreOptions,
  deps: { readonly clock: Clock; readonly logger: Logger },
): Promise<MessageStore> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const store = new DirectoryStore(
    options.directory,
    options.messagesMax ?? messagesMaxDefault,
    deps.clock,
    deps.logger,
  );
  await store.load();
  return store;
}

class DirectoryStore implements MessageStore {
  readonly #directory: string;
  readonly #messagesMax: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** In the order of arrival. */
  readonly #messages = new Map<string, { readonly file: string; readonly message: InboxMessage }>();
  /** One mail is written after the other, so that two offers of one mail cannot both be the first. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(directory: string, messagesMax: number, clock: Clock, logger: Logger) {
    this.#directory = directory;
    this.#messagesMax = messagesMax;
    this.#clock = clock;
    this.#logger = logger;
  }

  async load(): Promise<void> {
    const names = (await readdir(this.#directory)).sort();
    for (const name of names) {
      const parts = fileName.exec(name);
      if (parts === null) {
        // What a crash left half written was never acknowledged.
        if (name.endsWith('.partial')) await rm(join(this.#directory, name), { force: true });
        continue;
      }
      const [, receivedMs = '0', id = ''] = parts;
      const raw = await readFile(join(this.#directory, name));
      this.#messages.set(id, { file: name, message: await readMessage(raw, id, Number(receivedMs)) });
    }
    await this.#dropOldest();
  }

  list(): readonly InboxMessage[] {
    return [...this.#messages.values()].map((held) => held.message).reverse();
  }

  get(id: string): InboxMessage | undefined {
    return this.#messages.get(id)?.message;
  }

  add(raw: Uint8Array): Promise<{ readonly message: InboxMessage; readonly isNew: boolean }> {
    const added = this.#last.then(() => this.#addNow(raw));
    this.#last = added.catch(() => {}); // the caller sees the failure; the next mail is another matter
    return added;
  }

  async #addNow(raw: Uint8Array): Promise<{ readonly message: InboxMessage; readonly isNew: boolean }> {
    const messageId = messageIdOfRaw(raw);
    const name = messageId === null ? raw : new TextEncoder().encode(`message-id:${messageId}`);
    const id = toHex(sha256(name).subarray(0, 8));
    const held = this.#messages.get(id);
    if (held !== undefined) return { message: held.message, isNew: false };
    const receivedMs = this.#clock.now();
    const file = `${String(receivedMs).padStart(15, '0')}-${id}.eml`;
    await writeDurably(this.#directory, file, raw);
    const message = await readMessage(raw, id, receivedMs);
    this.#messages.set(id, { file, message });
    await this.#dropOldest();
    return { message, isNew: true };
  }

  async #dropOldest(): Promise<void> {
    for (const [id, { file }] of this.#messages) {
      if (this.#messages.size <= this.#messagesMax) return;
      this.#messages.delete(id);
      await rm(join(this.#directory, file), { force: true });
      this.#logger.info('the inbox is full: its oldest mail was dropped', { messagesMax: this.#messagesMax });
    }
  }
}

async function writeDurably(directory: string, name: string, bytes: Uint8Array): Promise<void> {
  const partial = join(directory, `${name}.partial`);
  const file = await open(partial, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, join(directory, name));
  await syncDirectory(directory);
}

/** The new name itself must survive a power cut. Windows has no such call, and its file systems keep names by themselves. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
