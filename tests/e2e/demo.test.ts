import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { RunReport } from '@pulsemesh/node/demo';
import { locateRecordings } from '@pulsemesh/vitals/recordings';
import { describe, expect, it } from 'vitest';
import { DemoProcess, readReport, temporaryDirectory } from './demo-process.ts';

const recordings = locateRecordings(process.env);
// The nightly plays the recordings for a minute.
const isFull = process.env['PULSEMESH_TABLES'] === 'full';

// What says who somebody is: sealed or absent in whatever the nodes write, their logs included.
function markersOf(report: RunReport): readonly string[] {
  return [...report.patients.map((patient) => patient.userId), 'Ashdown', 'robin.ashdown', 'Toni Berg'];
}

function filesWith(data: string, marker: string): readonly string[] {
  const files = ['nodes/*/**', 'logs/**'].flatMap((pattern) => globSync(pattern, { cwd: data }));
  return files.filter((name) => {
    const file = join(data, name);
    return statSync(file).isFile() && readFileSync(file).includes(marker);
  });
}

describe('the demo, every role its own process', () => {
  it.for<[string, readonly string[]]>([
    ['generated', ['--for', '20', '--speed', '30']],
    ['recorded', ['--for', isFull ? '60' : '25']],
  ])('brings %s heartbeats in and alerts out, and loses and doubles nothing', async ([kind, args], { skip }) => {
    if (kind === 'recorded' && recordings === null) skip('no recordings: PULSEMESH_RECORDINGS names none');
    const source = kind === 'recorded' ? ['--recordings', join(recordings ?? '', 'rr')] : [];
    using directory = temporaryDirectory();
    const file = join(directory.path, 'report.json');
    await using demo = new DemoProcess(join(directory.path, 'data'), [...args, ...source, '--report', file]);
    expect(await demo.exited, demo.text).toBe(0);
    const report = readReport(file);
    expect(report).toMatchObject({ readingsLost: 0, readingsDuplicated: 0, windowsExactlyOnce: true, isSound: true });
    expect(report.readingsSent).toBeGreaterThan(1_000);
    expect(report.readingsStored).toBe(report.readingsAcknowledged);
    expect(report.predictions).toBe(report.windows);
    expect(report.patients.length).toBeGreaterThanOrEqual(6);
    expect(report.alerts).toBeGreaterThanOrEqual(1);
    expect(report.notifications).toBe(report.alerts * 2);
    for (const patient of report.patients) {
      if (patient.rhythm === 'sinus') expect(patient).toMatchObject({ alerts: 0, notifications: 0 });
    }
    const pids = report.processes.map((process) => process.pid);
    expect(new Set(pids).size).toBe(pids.length);
    for (const marker of markersOf(report)) expect(filesWith(join(directory.path, 'data'), marker)).toEqual([]);
    const roles = ['bootstrap', 'ingest', 'storage', 'aggregation', 'prediction', 'notification', 'gateway'];
    for (const role of roles) expect(report.processes.map((process) => process.role)).toContain(role);
  });
});
