import { ExportMalformedError } from './errors.ts';

/** Ends each line (RFC 4180 §2). */
export const lineEnd = '\r\n';

/**
 * One cell. Text that a spreadsheet would take for a formula is given an apostrophe in front, which `readCell` takes away; cells with comma,
 * quote or line break are quoted (RFC 4180 §2).
 */
export function writeCell(value: string | number | boolean | null | undefined): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'string') return String(value);
  const guarded = isFormula(value) ? `'${value}` : value;
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}

/** What `writeCell` was given, as text. */
export function readCell(cell: string): string {
  return cell.startsWith("'") && isFormula(cell.slice(1)) ? cell.slice(1) : cell;
}

/** Also what begins with apostrophes and goes on like one, so that each apostrophe taken away was put there. */
function isFormula(text: string): boolean {
  return /^'*[=+\-@\t\r\n]/.test(text);
}

/** Lines of cells, quotes undone. @throws {ExportMalformedError} for a quote that does not end, or stands within a bare cell. */
export function* readLines(text: string): Iterable<readonly string[]> {
  let at = 0;
  while (at < text.length) {
    const cells: string[] = [];
    for (;;) {
      const { cell, end } = text[at] === '"' ? quotedCell(text, at) : bareCell(text, at);
      cells.push(cell);
      at = end;
      if (text[at] !== ',') break;
      at += 1;
    }
    if (!text.startsWith(lineEnd, at) && at !== text.length) throw new ExportMalformedError('line end');
    at += lineEnd.length;
    yield cells;
  }
}

function bareCell(text: string, start: number): { readonly cell: string; readonly end: number } {
  let end = start;
  while (end < text.length && text[end] !== ',' && text[end] !== '\r') {
    if (text[end] === '"' || text[end] === '\n') throw new ExportMalformedError('quotes');
    end += 1;
  }
  return { cell: text.slice(start, end), end };
}

function quotedCell(text: string, start: number): { readonly cell: string; readonly end: number } {
  let cell = '';
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw new ExportMalformedError('quotes');
    cell += text.slice(at, quote);
    if (text[quote + 1] !== '"') return { cell, end: quote + 1 };
    cell += '"';
    at = quote + 2;
  }
}
