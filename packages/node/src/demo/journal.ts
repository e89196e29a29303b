import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** A reading that the broker has acknowledged to its device. */
export interface JournalEntry {
  readonly userId: string;
  readonly key: string;
  readonly tMs: number;
  /** Wall time of the first attempt to send it, and of its acknowledgement. */
  readonly sentMs: number;
  readonly ackedMs: number;
}

/**
 * The devices' own record of what was acknowledged to them, one JSON array a line: against it a run is checked.
 * It holds no health value. Dispose to close.
 */
export function openJournal(file: string): Disposable & { append(entry: JournalEntry): void } {
  const handle = openSync(file, 'a', 0o600);
  return {
    append: ({ userId, key, tMs, sentMs, ackedMs }) =>
      void writeSync(handle, `${JSON.stringify([userId, key, tMs, sentMs, ackedMs])}\n`),
    [Symbol.dispose]: () => closeSync(handle),
  };
}

/** Reads a journal; a line that a crash cut short is passed over. */
export async function* readJournal(file: string): AsyncGenerator<JournalEntry> {
  const lines = createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of lines) {
    const entry = parseEntry(line);
    if (entry !== null) yield entry;
  }
}

function parseEntry(line: string): JournalEntry | null {
  try {
    const [userId, key, tMs, sentMs, ackedMs] = JSON.parse(line) as unknown[];
    if (typeof userId !== 'string' || typeof key !== 'string' || typeof tMs !== 'number') return null;
    if (typeof sentMs !== 'number' || typeof ackedMs !== 'number') return null;
    return { userId, key, tMs, sentMs, ackedMs };
  } catch {
    return null;
  }
}
