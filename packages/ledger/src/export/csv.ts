import { sha256 } from '@pulsemesh/crypto';
import { toHex } from '@pulsemesh/wire';
import { lineEnd, readCell, readLines, writeCell } from './csv-cells.ts';
import { ExportMalformedError } from './errors.ts';
import { type ExportContent, exportLimits, screeningNote } from './export-types.ts';
import { instant } from './fhir.ts';
import { checkLimits } from './fhir-bundle.ts';

/** One line of a table of everything; cells that a record has no word for are empty. */
export interface CsvRow {
  readonly record: 'reading' | 'window' | 'prediction' | 'alert';
  /** ISO 8601, for people; `t_ms` says the same. */
  readonly time: string;
  readonly t_ms: number;
  readonly heart_rate_bpm?: number;
  /** Separated by spaces. */
  readonly rr_ms?: string;
  readonly reading_count?: number;
  readonly missing_seconds?: number;
  readonly implausible_count?: number;
  readonly usable?: boolean;
  readonly score?: number | null;
  readonly input?: string;
  readonly model_id?: string;
  readonly alert_id?: string;
  readonly event?: string;
}

const columns = [
  'record',
  'time',
  't_ms',
  'heart_rate_bpm',
  'rr_ms',
  'reading_count',
  'missing_seconds',
  'implausible_count',
  'usable',
  'score',
  'input',
  'model_id',
  'alert_id',
  'event',
] as const satisfies readonly (keyof CsvRow)[];
const title = '# Pulsemesh export 1';

/**
 * A table (RFC 4180) of everything, after lines that begin with `#`: whose, when, the digest of each receipt (SHA-256, as the FHIR bundle
 * names it), and that scores are no diagnosis.
 * @throws {ExportLimitError}
 */
export function csvExport(content: ExportContent): string {
  return [...csvPieces(content)].join('');
}

/** The text of {@link csvExport} in pieces of at most 4,096 rows. @throws {ExportLimitError} */
export function* csvPieces(content: ExportContent): Iterable<string> {
  checkLimits(content);
  let lines: string[] = [
    title,
    `# subject: ${commentOf(content.subject)}`,
    `# generated: ${instant(content.generatedMs)}`,
    ...content.receipts.map(
      ({ encoded, custodian }) => `# receipt sha-256: ${toHex(sha256(encoded))} by ${commentOf(custodian)}`,
    ),
    `# ${screeningNote}`,
    columns.join(','),
  ];
  for (const row of rowsOf(content)) {
    lines.push(columns.map((column) => writeCell(row[column])).join(','));
    if (lines.length < rowsPerPiece) continue;
    yield lines.join(lineEnd) + lineEnd;
    lines = [];
  }
  if (lines.length > 0) yield lines.join(lineEnd) + lineEnd;
}

const rowsPerPiece = 4_096;

/** What a table says, read back. */
export interface CsvContent {
  readonly subject: string;
  readonly generatedMs: number;
  /** SHA-256 of each receipt, lower-case hex. */
  readonly receiptDigests: readonly string[];
  /** Cells by column, as text; empty ones are left out. */
  readonly rows: readonly Readonly<Record<string, string>>[];
}

/** Reads a table that `csvExport` made. @throws {ExportMalformedError} */
export function readCsv(text: string): CsvContent {
  if (text.length > exportLimits.charactersMax) throw new ExportMalformedError('length');
  const comments: string[] = [];
  let rest = text;
  while (rest.startsWith('#')) {
    const end = rest.indexOf(lineEnd);
    if (end < 0 || comments.length > exportLimits.receiptsMax + 8) throw new ExportMalformedError('comments');
    comments.push(rest.slice(0, end));
    rest = rest.slice(end + lineEnd.length);
  }
  if (comments[0] !== title) throw new ExportMalformedError('title');
  const [header, ...lines] = readLines(rest);
  if (header?.join() !== columns.join()) throw new ExportMalformedError('columns');
  const generatedMs = Date.parse(commentIn(comments, 'generated'));
  if (!Number.isFinite(generatedMs)) throw new ExportMalformedError('generated');
  return {
    subject: commentIn(comments, 'subject'),
    generatedMs,
    receiptDigests: comments.flatMap((line) => /^# receipt sha-256: ([0-9a-f]{64}) by /.exec(line)?.[1] ?? []),
    rows: lines.map(rowOf),
  };
}

function rowOf(cells: readonly string[], index: number): Readonly<Record<string, string>> {
  if (cells.length !== columns.length) throw new ExportMalformedError(`row ${index}`);
  const named = columns.map((column, place) => [column, readCell(cells[place] as string)] as const);
  return Object.fromEntries(named.filter(([, cell]) => cell !== ''));
}

function* rowsOf({ readings, windows, predictions, alerts }: ExportContent): Iterable<CsvRow> {
  for (const { tMs, bpm, rrMs = [] } of readings) {
    yield { record: 'reading', ...at(tMs), heart_rate_bpm: bpm, rr_ms: rrMs.join(' ') };
  }
  for (const window of windows) {
    yield {
      record: 'window',
      ...at(window.startSeconds * 1000),
      reading_count: window.readingCount,
      missing_seconds: window.missingSeconds,
      implausible_count: window.implausibleCount,
      usable: window.isUsable,
      input: window.input,
    };
  }
  for (const { startSeconds, score, input, modelId } of predictions) {
    yield { record: 'prediction', ...at(startSeconds * 1000), score, input, model_id: modelId };
  }
  for (const { alertId, event, atMs } of alerts) {
    yield { record: 'alert', ...at(atMs), alert_id: alertId, event };
  }
}

function at(atMs: number) {
  return { time: instant(atMs), t_ms: atMs };
}

function commentIn(comments: readonly string[], name: string): string {
  const start = `# ${name}: `;
  const found = comments.find((line) => line.startsWith(start));
  if (found === undefined) throw new ExportMalformedError(name);
  return found.slice(start.length);
}

/** Comments are lines: what would end one does not belong into it. */
function commentOf(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ');
}
