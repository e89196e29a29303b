import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseMonitorCsv } from './monitor-csv.ts';
import { openRecordings } from './open-recordings.ts';
import { RecordingError, recordingLimits } from './recording.ts';
import { parseRrCsv } from './rr-csv.ts';
import { countBeats, parseWfdbAnnotations, parseWfdbHeader, recordingOfAnnotations } from './wfdb.ts';

const source = { name: 'a', file: 'a.rr.csv' };

describe('the reader of RR intervals', () => {
  it('reads intervals and the rhythm where it changes, with any line end', () => {
    const recording = parseRrCsv('rr_ms,rhythm\r\n800,N\r\n1000\r\n700,AFIB\r\n', source);
    expect([...recording.rrMs]).toEqual([800, 1000, 700]);
    expect(recording.rhythms).toEqual([
      { atSeconds: 0, rhythm: 'N' },
      { atSeconds: 1.8, rhythm: 'AFIB' },
    ]);
  });

  it('names file and line of what it cannot read', () => {
    for (const bad of ['-5', 'NaN', '', '0', '1e9', '8OO', '900,rhythm with spaces']) {
      expect(() => parseRrCsv(`rr_ms,rhythm\n800,N\n${bad}\n900`, source)).toThrow('a.rr.csv, line 3');
    }
    expect(() => parseRrCsv('', source)).toThrow(RecordingError);
    expect(() => parseRrCsv('9'.repeat(recordingLimits.lineLengthMax + 1), source)).toThrow(
      'line 1: the line is too long',
    );
  });

  it('with any text gives a recording or a recording error', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        try {
          expect(parseRrCsv(text, source).rrMs.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(RecordingError);
        }
      }),
    );
  });

  it('refuses more rhythm changes than its limit', () => {
    const text = '800,N\n'.repeat(recordingLimits.rhythmChangesMax + 1);
    expect(() => parseRrCsv(text, source)).toThrow('rhythmChangesMax');
  });
});

describe('the reader of monitor numerics', () => {
  const head = 'Time [s], HR, PULSE, RESP, SpO2\n';

  it('takes HR, PULSE where HR is missing, and leaves other seconds empty', () => {
    const text = `${head}0,94,93,25,97\n1,NaN,92,25,97\n2,-,,25,97\n4,0,-1,1,1\n5,91,90,1,1\n`;
    const { heartRateBpm } = parseMonitorCsv(text, source);
    expect([...heartRateBpm]).toEqual([94, 92, Number.NaN, Number.NaN, Number.NaN, 91]);
  });

  it('names file and line of what it cannot read', () => {
    expect(() => parseMonitorCsv(`${head}0,94,93,25,97\n0,94,93,25,97\n`, source)).toThrow('line 3: time');
    expect(() => parseMonitorCsv(`${head}0,fast,93,25,97\n`, source)).toThrow('line 2: not a heart rate');
    expect(() => parseMonitorCsv('a,b\n1,2\n', source)).toThrow('line 1: no header');
    expect(() => parseMonitorCsv(head, source)).toThrow('no values');
    expect(() => parseMonitorCsv(`${head}x,94,93,25,97\n`, source)).toThrow('line 2: time');
    expect(() => parseMonitorCsv(`${head}0,94,93,25,97\n999999999,94,93,25,97\n`, source)).toThrow('samplesMax');
  });

  it('counts time from the first line', () => {
    expect([...parseMonitorCsv(`${head}-1,63,63,18,97\n0,64,63,18,97\n`, source).heartRateBpm]).toEqual([63, 64]);
  });
});

/** Words of an annotation file: [code, step] or raw bytes. */
function annotationBytes(...entries: readonly (readonly [number, number] | Uint8Array)[]): Uint8Array {
  return Uint8Array.from(
    entries.flatMap((entry) => {
      if (entry instanceof Uint8Array) return [...entry];
      const word = ((entry[0] as number) << 10) | (entry[1] as number);
      return [word & 0xff, word >> 8];
    }),
  );
}

describe('the reader of WFDB annotations', () => {
  const text = new TextEncoder().encode('(AFIB\0');

  it('reads beats, rhythm changes, long steps and the pseudo-codes between them', () => {
    const bytes = annotationBytes(
      [28, 18],
      [63, 6],
      text,
      [1, 59],
      [59, 0],
      // 100,000 samples as PDP-11 writes them: the high half first.
      Uint8Array.from([1, 0, 0xa0, 0x86]),
      [5, 0],
      [62, 1],
      [60, 3],
      [22, 10],
      [1, 350],
      [0, 0],
      [1, 1],
    );
    const annotations = parseWfdbAnnotations(bytes, 'x.atr');
    expect(annotations.map(({ sample, code }) => [sample, code])).toEqual([
      [18, 28],
      [77, 1],
      [100_077, 5],
      [100_087, 22],
      [100_437, 1],
    ]);
    expect(countBeats(annotations)).toBe(3);
    const header = parseWfdbHeader('x 2 360 650000\n', 'x.hea');
    const recording = recordingOfAnnotations(annotations, header, { name: 'x', file: 'x.atr' });
    expect([...recording.rrMs]).toEqual([100_000, 360].map((samples) => (samples * 1000) / 360));
    expect(recording.rhythms).toEqual([{ atSeconds: 18 / 360, rhythm: 'AFIB' }]);
    expect(recording.firstBeatSeconds).toBeCloseTo(77 / 360);
  });

  it('refuses a file that ends within an entry, and one without two beats', () => {
    expect(() => parseWfdbAnnotations(annotationBytes([63, 20], text), 'x.atr')).toThrow('ends within an entry');
    expect(() => parseWfdbAnnotations(Uint8Array.of(1), 'x.atr')).toThrow(RecordingError);
    const header = { recordName: 'x', sampleRateHz: 360 };
    expect(() => recordingOfAnnotations([], header, source)).toThrow('fewer than two beats');
  });

  it('with any bytes gives annotations or a recording error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          parseWfdbAnnotations(bytes, 'x.atr');
        } catch (error) {
          expect(error).toBeInstanceOf(RecordingError);
        }
      }),
    );
  });

  it('reads a header with a counter frequency, and refuses one without name or frequency', () => {
    expect(parseWfdbHeader('# c\n100/2 2 360/1000(5) 10\n', 'x')).toEqual({ recordName: '100', sampleRateHz: 360 });
    expect(parseWfdbHeader('100 2\n', 'x').sampleRateHz).toBe(250);
    expect(() => parseWfdbHeader('', 'x')).toThrow('record name');
    expect(() => parseWfdbHeader('100 2 fast', 'x')).toThrow('sampling frequency');
  });
});

describe('a folder of recordings', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pulsemesh-recordings-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('is listed by name with the kind of each, and read on demand', async () => {
    await writeFile(join(directory, 'b.rr.csv.gz'), gzipSync('rr_ms,rhythm\n800,N\n'));
    await writeFile(join(directory, 'a.csv'), 'Time [s], HR\n0,70\n');
    await writeFile(join(directory, 'notes.md'), 'nothing');
    const found = await openRecordings(directory);
    expect(found.map(({ name, kind }) => [name, kind])).toEqual([
      ['a', 'monitor-csv'],
      ['b', 'rr-csv'],
    ]);
    expect(await found[1]?.load()).toMatchObject({ type: 'beats', name: 'b' });
    expect(await found[0]?.load()).toMatchObject({ type: 'rate', name: 'a' });
  });

  it('says which file is damaged, missing its header, or named like another', async () => {
    await writeFile(join(directory, 'cut.rr.csv.gz'), gzipSync('rr_ms\n800\n').subarray(0, 12));
    await writeFile(join(directory, 'x.atr'), annotationBytes([1, 1], [1, 300]));
    const [cut, annotated] = await openRecordings(directory);
    await expect(cut?.load()).rejects.toThrow('cut.rr.csv.gz');
    await expect(annotated?.load()).rejects.toMatchObject({ code: 'recording-missing' });
    await writeFile(join(directory, 'cut.csv'), '');
    await expect(openRecordings(directory)).rejects.toThrow('two recordings are called cut');
    await expect(openRecordings(join(directory, 'absent'))).rejects.toMatchObject({ code: 'recording-missing' });
  });

  it('unpacks no more than its limit', async () => {
    const zeros = gzipSync(Buffer.alloc(recordingLimits.unpackedBytesMax + 1, '0'), { level: 1 });
    await writeFile(join(directory, 'bomb.rr.csv.gz'), zeros);
    const [bomb] = await openRecordings(directory);
    await expect(bomb?.load()).rejects.toMatchObject({ code: 'recording-too-large' });
  });
});
