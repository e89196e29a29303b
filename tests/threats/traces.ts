import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';

/** What a text could be found as: itself, as UTF-16, in hex, in base64 wherever in a longer text it stands. */
export function formsOf(text: string): readonly Buffer[] {
  const plain = Buffer.from(text);
  const hex = plain.toString('hex');
  const forms = [plain, Buffer.from(text, 'utf16le'), Buffer.from(hex), Buffer.from(hex.toUpperCase())];
  for (const before of [0, 1, 2]) {
    const shifted = Buffer.concat([Buffer.alloc(before), plain]).toString('base64');
    // The first and last characters also hold bits of what stands beside it.
    forms.push(Buffer.from(shifted.slice(Math.ceil((before * 4) / 3), Math.floor(((before + plain.length) * 4) / 3))));
  }
  return forms;
}

/** Whether any of the forms is in the bytes. */
export function holds(bytes: Buffer, forms: readonly Buffer[]): boolean {
  return forms.some((form) => bytes.includes(form));
}

/** All files under a directory, one after the other. */
export function bytesOfFiles(directory: string): Buffer {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Buffer.concat(files.map((file) => readFileSync(join(file.parentPath, file.name))));
}

const pieceBytes = 4 * 1024 * 1024;

/**
 * Whether a process has any of the forms in its memory: everything it can read that is not a file of its program. Linux only, and
 * only what the caller may trace.
 */
export function memoryHolds(pid: number, forms: readonly Buffer[]): boolean {
  const overlap = Math.max(...forms.map((form) => form.length));
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const piece = Buffer.alloc(pieceBytes);
  try {
    for (const { begin, end } of regionsOf(pid)) {
      for (let at = begin; at < end; at += pieceBytes - overlap) {
        const length = readPiece(memory, piece, at, Math.min(pieceBytes, end - at));
        if (holds(piece.subarray(0, length), forms)) return true;
      }
    }
    return false;
  } finally {
    closeSync(memory);
  }
}

function regionsOf(pid: number): { readonly begin: number; readonly end: number }[] {
  const regions: { begin: number; end: number }[] = [];
  for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const [, begin = '', end = '', path = ''] = /^([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+\s*(.*)$/.exec(line) ?? [];
    if (begin === '' || path.startsWith('/') || path.startsWith('[v')) continue;
    regions.push({ begin: Number.parseInt(begin, 16), end: Number.parseInt(end, 16) });
  }
  return regions;
}

/** A page may be gone meanwhile, which is no page with a trace. */
function readPiece(memory: number, piece: Buffer, at: number, length: number): number {
  try {
    return readSync(memory, piece, 0, length, at);
  } catch {
    return 0;
  }
}
