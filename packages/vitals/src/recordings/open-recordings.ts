import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { errorCode } from '@pulsemesh/base';
import { isMonitorHeader, parseMonitorCsv } from './monitor-csv.ts';
import { type Recording, RecordingError, type RecordingKind, recordingLimits, tooLarge } from './recording.ts';
import { parseRrCsv } from './rr-csv.ts';
import { parseWfdbAnnotations, parseWfdbHeader, recordingOfAnnotations } from './wfdb.ts';

const unzip = promisify(gunzip);

/** A recording that was found and not yet read. */
export interface RecordingFile {
  /** The file's name without its endings: unique in the list, also the patient's name in a split. */
  readonly name: string;
  readonly kind: RecordingKind;
  /** Path below the directory that was opened. */
  readonly file: string;
  /** Reads it. @throws {RecordingError} naming file and line. */
  load(): Promise<Recording>;
}

/**
 * Finds the recordings in `directory` and three levels of folders below it, ordered by name: `*.rr.csv[.gz]`,
 * WFDB `*.atr` beside their `.hea`, and 1 Hz monitor numerics `*.csv[.gz]`. Other files are passed over.
 * @throws {RecordingError} when the directory cannot be read or holds more than `recordingLimits.filesMax` files.
 */
export async function openRecordings(directory: string): Promise<readonly RecordingFile[]> {
  const files = await listFiles(directory);
  const found = files.flatMap((path) => {
    const kind = kindOf(path);
    return kind === null ? [] : [describe(directory, path, kind)];
  });
  found.sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0));
  const duplicate = found.find((each, index) => each.name === found[index + 1]?.name);
  if (duplicate !== undefined) {
    throw new RecordingError('recording-malformed', `two recordings are called ${duplicate.name}`, {
      facts: { file: duplicate.file },
    });
  }
  return found;
}

function describe(directory: string, path: string, kind: RecordingKind): RecordingFile {
  const file = relative(directory, path);
  const name = basename(path).replace(/\.(rr\.csv|csv|atr)(\.gz)?$/i, '');
  const options = { name, file };
  const load = async (): Promise<Recording> => {
    if (kind === 'wfdb') {
      const header = parseWfdbHeader(await readText(path.replace(/\.atr$/i, '.hea'), file), file);
      return recordingOfAnnotations(parseWfdbAnnotations(await readBounded(path, file), file), header, options);
    }
    const text = await readText(path, file);
    if (kind === 'rr-csv') return parseRrCsv(text, options);
    if (!isMonitorHeader(text.slice(0, Math.max(0, text.indexOf('\n'))))) {
      throw new RecordingError('recording-malformed', `${file}, line 1: no header with a time and an HR column`, {
        facts: { file, line: 1 },
      });
    }
    return parseMonitorCsv(text, options);
  };
  return { name, kind, file, load };
}

function kindOf(path: string): RecordingKind | null {
  if (/\.rr\.csv(\.gz)?$/i.test(path)) return 'rr-csv';
  if (/\.atr$/i.test(path)) return 'wfdb';
  return /\.csv(\.gz)?$/i.test(path) ? 'monitor-csv' : null;
}

async function listFiles(directory: string): Promise<readonly string[]> {
  const files: string[] = [];
  const visit = async (folder: string, depth: number): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true });
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && depth < recordingLimits.depthMax) await visit(path, depth + 1);
      else if (entry.isFile()) files.push(path);
      if (files.length > recordingLimits.filesMax) throw tooLarge(directory, 'filesMax');
    }
  };
  try {
    await visit(directory, 0);
  } catch (error) {
    if (error instanceof RecordingError) throw error;
    throw unreadable(directory, error);
  }
  return files;
}

async function readText(path: string, file: string): Promise<string> {
  return (await readBounded(path, file)).toString('utf8');
}

/** The file's bytes, unpacked when it is gzip, never more than the limits allow. */
async function readBounded(path: string, file: string): Promise<Buffer> {
  let packed: Buffer;
  try {
    if ((await stat(path)).size > recordingLimits.fileBytesMax) throw tooLarge(file, 'fileBytesMax');
    packed = await readFile(path);
  } catch (error) {
    if (error instanceof RecordingError) throw error;
    throw unreadable(file, error);
  }
  if (packed[0] !== 0x1f || packed[1] !== 0x8b) return packed;
  try {
    return await unzip(packed, { maxOutputLength: recordingLimits.unpackedBytesMax });
  } catch (error) {
    if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(file, 'unpackedBytesMax');
    throw new RecordingError('recording-malformed', `${file} is not whole gzip`, { facts: { file }, cause: error });
  }
}

function unreadable(file: string, cause: unknown): RecordingError {
  return new RecordingError('recording-missing', `${file} cannot be read`, {
    facts: { file, cause: errorCode(cause) },
    cause,
  });
}
