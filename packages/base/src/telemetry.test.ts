import { describe, expect, it } from 'vitest';
import { AssertionError, assert, Condition, errorCode, errorForLog, errorMessage } from './errors.ts';
import { createLogger } from './pino-logger.ts';
import { createPrometheusMeter } from './prometheus-meter.ts';

describe('the logger', () => {
  it('writes one JSON object a line with constant message and fields, and escapes line breaks', () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'info', fields: { role: 'ingest' } }, { write: (line) => lines.push(line) });
    log.child({ peer: 'a\nb\u001b[31m' }).info('accepted', { bytes: 3 });
    log.debug('not shown');
    expect(lines).toHaveLength(1);
    const text = lines[0]?.trimEnd() ?? '';
    expect([text.includes('\n'), text.includes('\u001b')]).toEqual([false, false]);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      role: 'ingest',
      peer: 'a\nb\u001b[31m',
      bytes: 3,
      msg: 'accepted',
    });
  });
});

describe('the meter', () => {
  it('tells what was measured as Prometheus text, and makes an instrument once', async () => {
    const meter = createPrometheusMeter({ role: 'ingest' });
    meter.counter('pulsemesh_readings_total', 'Readings.', ['result']).add(2, { result: 'stored' });
    meter.counter('pulsemesh_readings_total', 'Readings.', ['result']).add(1, { result: 'stored' });
    meter.gauge('pulsemesh_queue_bytes', 'Bytes.').set(5);
    meter.histogram('pulsemesh_commit_seconds', 'Seconds.', [0.1, 1]).observe(0.05);
    const text = await meter.text();
    expect(text).toContain('pulsemesh_readings_total{result="stored",role="ingest"} 3');
    expect(text).toContain('pulsemesh_queue_bytes{role="ingest"} 5');
    expect(text).toContain('pulsemesh_commit_seconds_bucket{le="0.1",role="ingest"} 1');
  });
});

describe('a condition', () => {
  it('carries code, facts, cause and whether to try again', () => {
    const cause = new Error('inner');
    const error = new Condition('disk-full', 'the disk is full', { facts: { freeBytes: 0 }, retryable: true, cause });
    expect(error).toMatchObject({ code: 'disk-full', facts: { freeBytes: 0 }, retryable: true, cause });
    expect([errorCode(error), errorCode('x'), errorMessage('x')]).toEqual(['disk-full', 'unknown', 'x']);
  });

  it('is not what an assertion throws', () => {
    expect(() => assert(false, 'never')).toThrow('never');
    expect(() => assert(true, 'never')).not.toThrow();
  });
});

describe('what a log may say of an error', () => {
  it('is the text of our own, and of others the kind and the place, never a text that may quote a person', () => {
    expect(errorForLog(new Condition('disk-full', 'the disk is full'))).toEqual({
      code: 'disk-full',
      text: 'the disk is full',
    });
    expect(errorForLog(new AssertionError('never'))).toEqual({ code: 'unknown', text: 'never' });
    const foreign = [new SyntaxError('"Ada 180" is not valid JSON'), new Error('x\n    at Ada (180:1)\n    at Ada')];
    for (const error of foreign) {
      const { text } = errorForLog(error);
      expect(text).toMatch(/^(Syntax)?Error at .*telemetry\.test\.ts/);
      expect(text).not.toMatch(/Ada|180/);
    }
    expect(errorForLog('Ada')).toEqual({ code: 'unknown', text: 'thrown: string' });
  });
});
