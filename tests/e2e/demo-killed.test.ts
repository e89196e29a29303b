import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DemoProcess, livePeer, readReport, temporaryDirectory } from './demo-process.ts';

describe('the demo, every role its own process', () => {
  it('while an aggregation, a storage, a prediction and the ingest process are killed one after another, too', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'report.json');
    await using demo = new DemoProcess(join(directory.path, 'data'), [
      '--for',
      '60',
      '--speed',
      '20',
      '--report',
      file,
    ]);
    const client = await demo.client();
    await demo.seen(/first heartbeat/);
    for (const role of ['aggregation', 'storage', 'prediction', 'ingest']) {
      const { pid } = await livePeer(client, role);
      const from = demo.text.length;
      process.kill(pid, 'SIGKILL');
      await demo.seen(new RegExp(`${role}(-\\d)? ended \\(SIGKILL\\)`), from);
      await demo.seen(new RegExp(`${role}(-\\d)? is back`), from);
    }
    expect(await demo.exited, demo.text).toBe(0);
    const report = readReport(file);
    expect(report).toMatchObject({ readingsLost: 0, readingsDuplicated: 0, windowsExactlyOnce: true, isSound: true });
    expect(report.restarts).toBe(4);
    expect(report.alerts).toBeGreaterThanOrEqual(1);
    expect(report.patients.filter(({ rhythm, alerts }) => rhythm === 'sinus' && alerts > 0)).toEqual([]);
  });
});
