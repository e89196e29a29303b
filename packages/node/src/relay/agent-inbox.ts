import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, errorCode } from '@pulsemesh/base';
import type { ReceivedMessage } from '@pulsemesh/relay/client';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { decodeCbor, encodeCbor, peerIdOfEd25519, toHex } from '@pulsemesh/wire';
import type { AgentPeer } from './agent-contacts.ts';

/** A message, opened. */
export type AgentMessage = ReceivedMessage<AgentPeer>;

const pendingTable = 'received-pending';

/**
 * Puts each message into a file of its own in a folder, exactly once whatever crashes, also where somebody takes the files away at once.
 *
 * The content is written under a hidden name first; then, in one commit, the message is marked as done and the rename that remains
 * is noted; then it is renamed. A crash before the commit leaves a hidden file that is written again; one after it leaves a note, which
 * `finish` acts on: a hidden file that is gone was renamed.
 */
export class MessageFolder {
  readonly #directory: string | null;
  readonly #store: TableStore;

  /** Null: only to finish what was begun. */
  constructor(directory: string | null, store: TableStore) {
    this.#directory = directory;
    this.#store = store;
  }

  /** Does what an earlier run did not get to; resolves with the files. To be called before `put`. @throws what the file system says; what the store throws. */
  async finish(): Promise<readonly string[]> {
    if (this.#directory !== null) await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const files: string[] = [];
    for (const { key, value } of [...this.#store.range(pendingTable)]) {
      const [directory, hidden, name] = decodeCbor(value) as [string, string, string]; // written below only
      if (await renameIfThere(directory, hidden, name)) files.push(join(directory, name));
      await this.#store.commit([{ kind: 'remove', table: pendingTable, key }]);
    }
    return files;
  }

  /** Writes a message and its mark; resolves with the file. @throws as {@link MessageFolder.finish}. */
  async put(message: AgentMessage, mark: readonly TableChange[]): Promise<string> {
    const directory = this.#directory;
    assert(directory !== null, 'a folder that only finishes takes no message');
    const id = toHex(message.messageId);
    const hidden = `.${id}.part`;
    const name = fileNameOf(message);
    await writeDurably(directory, hidden, message.bytes);
    const key = message.messageId;
    const value = encodeCbor([directory, hidden, name]);
    await this.#store.commit([...mark, { kind: 'put', table: pendingTable, key, value }]);
    await renameIfThere(directory, hidden, name);
    await this.#store.commit([{ kind: 'remove', table: pendingTable, key }]);
    return join(directory, name);
  }
}

/** When it was stored, by whom it is, its id: sorts by time and says all that is not in the content. */
function fileNameOf({ storedMs, from, messageId }: AgentMessage): string {
  const time = storedAt(storedMs).replaceAll(/[-:]/g, '');
  return `${time}-${peerIdOfEd25519(from.publicKey)}-${toHex(messageId)}`;
}

/** The relay's time of storing a message, with its zone; a relay may say what it likes, and says 1970 then. */
export function storedAt(storedMs: number): string {
  const isTime = storedMs >= 0 && storedMs < 253_402_300_800_000; // the year 10000
  return new Date(isTime ? storedMs : 0).toISOString();
}

async function writeDurably(directory: string, name: string, bytes: Uint8Array): Promise<void> {
  const file = await open(join(directory, name), 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await syncDirectory(directory);
}

async function renameIfThere(directory: string, from: string, to: string): Promise<boolean> {
  try {
    await rename(join(directory, from), join(directory, to));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
  await syncDirectory(directory);
  return true;
}

/** Makes names survive a power cut. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return; // directories cannot be opened there
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
