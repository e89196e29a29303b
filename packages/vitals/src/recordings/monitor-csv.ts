import { linesOf, NumberList } from './lines.ts';
import { malformedLine, type RateRecording, recordingLimits, tooLarge } from './recording.ts';

/** True when the first line is a monitor's header: a time column and a rate column. */
export function isMonitorHeader(line: string): boolean {
  const columns = columnsOf(line);
  return columns.some((column) => column.startsWith('time')) && columns.includes('hr');
}

/**
 * Reads a bedside monitor's numerics at 1 Hz (`Time [s], HR, PULSE, RESP, SpO2`; column order is free). The
 * rate is HR, or PULSE where HR is missing; an empty field, `-` or `NaN` is a second without a value, and so
 * is a second that does not appear. Time counts from the first line's, whatever that is (some start at −1).
 * @throws {RecordingError} with file and line.
 */
export function parseMonitorCsv(
  text: string,
  options: { readonly name: string; readonly file: string },
): RateRecording {
  const { name, file } = options;
  const rates = new NumberList();
  let timeColumn = -1;
  let originSeconds: number | null = null;
  let rateColumns: readonly number[] = [];
  for (const { line, number } of linesOf(text, file)) {
    if (number === 1) {
      if (!isMonitorHeader(line)) throw malformedLine(file, 1, 'no header with a time and an HR column');
      const columns = columnsOf(line);
      timeColumn = columns.findIndex((column) => column.startsWith('time'));
      rateColumns = [columns.indexOf('hr'), columns.indexOf('pulse')].filter((column) => column !== -1);
      continue;
    }
    if (line.trim() === '') continue;
    const fields = line.split(',').map((field) => field.trim());
    const time = fields[timeColumn] === '' ? Number.NaN : Math.floor(Number(fields[timeColumn]));
    originSeconds ??= time;
    const second = time - originSeconds;
    if (!(second >= rates.length)) throw malformedLine(file, number, 'time does not increase');
    if (second >= recordingLimits.samplesMax) throw tooLarge(file, 'samplesMax');
    while (rates.length < second) rates.push(Number.NaN);
    rates.push(firstRate(fields, rateColumns, file, number));
  }
  if (rates.length === 0) throw malformedLine(file, 1, 'no values');
  return { type: 'rate', name, heartRateBpm: rates.toArray() };
}

function firstRate(fields: readonly string[], columns: readonly number[], file: string, number: number): number {
  for (const column of columns) {
    const field = fields[column] ?? '';
    if (field === '' || field === '-' || field.toLowerCase() === 'nan') continue;
    const rate = Number(field);
    if (!Number.isFinite(rate)) throw malformedLine(file, number, 'not a heart rate');
    // Monitors write 0 or a negative number for "no signal".
    if (rate > 0) return rate;
  }
  return Number.NaN;
}

function columnsOf(line: string): readonly string[] {
  return line.split(',').map((column) => column.trim().toLowerCase());
}
