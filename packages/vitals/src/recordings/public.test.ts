import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { stepAlert } from '../alerts/engine.ts';
import { defaultAlertPolicy } from '../alerts/policy.ts';
import { initialAlertState } from '../alerts/state.ts';
import { windowsOf } from '../model/dataset.ts';
import { evaluateModel } from '../model/evaluate.ts';
import { readManifest } from '../model/manifest.ts';
import { createPredictor, inputKinds, shippedModelsDirectory } from '../model/predictor.ts';
import { trainModels } from '../model/training.ts';
import { demoPromise, demoTable } from './demo-table.ts';
import { locateRecordings } from './locate.ts';
import { openRecordings, type RecordingFile } from './open-recordings.ts';
import type { Recording } from './recording.ts';
import { fibrillationEpisodes, rhythmSpans } from './rhythm.ts';
import { durationSeconds } from './series.ts';
import { countBeats, parseWfdbAnnotations } from './wfdb.ts';

// Real recordings are not part of the project: PULSEMESH_RECORDINGS or ../shared/data. With CI=true their absence fails.
const found = locateRecordings(process.env);
const directory = found ?? '';
const deps = { logger: silentLogger };

describe.skipIf(found === null)('on the public recordings (skipped where PULSEMESH_RECORDINGS names none)', () => {
  it('WFDB annotations give the beats that their directory counts', async () => {
    const counts = ['100', '105'].map(async (name) =>
      countBeats(parseWfdbAnnotations(await readFile(join(directory, 'wfdb', `${name}.atr`)), name)),
    );
    expect(await Promise.all(counts)).toEqual([2273, 2572]);
    for (const file of await openRecordings(join(directory, 'wfdb'))) {
      const recording = await file.load();
      expect(Math.abs(durationSeconds(recording) - 1805)).toBeLessThan(2);
      expect(recording.type === 'beats' && recording.rhythms[0]?.rhythm).toBe('N');
    }
  });

  it('every file is read', async () => {
    const files = await openRecordings(directory);
    const kinds = new Map<string, number>();
    for (const file of files) {
      expect(durationSeconds(await file.load())).toBeGreaterThan(400);
      kinds.set(file.kind, (kinds.get(file.kind) ?? 0) + 1);
    }
    expect(Object.fromEntries(kinds)).toEqual({ 'rr-csv': 43, wfdb: 2, 'monitor-csv': 53 });
  });

  it('each entry of the demo table keeps its promise with each kind of input', { timeout: 120_000 }, async () => {
    const files = await openRecordings(join(directory, 'rr'));
    await using predictor = await createPredictor({ engine: 'builtin' }, deps);
    for (const { record, offsetSeconds, expects } of demoTable) {
      const recording = await (files.find(({ name }) => name === record) as RecordingFile).load();
      const onset = nextFibrillation(recording, offsetSeconds);
      const untilSeconds = Math.min(offsetSeconds + demoPromise.sinusSeconds, durationSeconds(recording));
      if (expects === 'episode') {
        expect(onset - offsetSeconds).toBeGreaterThanOrEqual(demoPromise.leadSeconds.min);
        expect(onset - offsetSeconds).toBeLessThanOrEqual(demoPromise.leadSeconds.max);
      } else {
        expect(onset).toBeGreaterThanOrEqual(untilSeconds);
        expect(rhythmsBetween(recording, offsetSeconds, untilSeconds)).toEqual(['N']);
      }
      for (const input of inputKinds) {
        const windows = windowsOf(recording, input).filter(
          ({ startSeconds }) => startSeconds >= offsetSeconds && startSeconds < untilSeconds,
        );
        let state = initialAlertState;
        const raised: number[] = [];
        for (const prediction of await predictor.predict(windows)) {
          const step = stepAlert(state, prediction, defaultAlertPolicy[input], { subjectId: record });
          state = step.state;
          for (const event of step.events) if (event.type === 'raised') raised.push(event.atSeconds + 10 - onset);
        }
        const where = `${record} at ${offsetSeconds} s as ${input}`;
        if (expects === 'sinus') expect(raised, where).toEqual([]);
        else {
          expect(raised[0], where).toBeGreaterThan(0);
          expect(raised[0], where).toBeLessThanOrEqual(demoPromise.alertWithinSeconds);
        }
      }
    }
  });

  it('training reproduces the shipped file byte for byte', { timeout: 300_000 }, async () => {
    const outDirectory = await mkdtemp(join(tmpdir(), 'pulsemesh-train-'));
    const options = { recordingsDirectory: join(directory, 'rr'), outDirectory, inputs: ['rr'], folds: 0 } as const;
    await trainModels(options, deps);
    const [made, shipped] = await Promise.all(
      [outDirectory, shippedModelsDirectory].map((each) => readFile(join(each, 'rr.onnx'))),
    );
    expect(made?.equals(shipped as Buffer)).toBe(true);
    await rm(outDirectory, { recursive: true });
  });

  it('an evaluation says that the shipped model knows the records, and of which it does not', async () => {
    const seen = await evaluateModel({ recordingsDirectory: join(directory, 'wfdb'), input: 'wrist' }, deps);
    expect(seen.model).toMatchObject({ trainedOn: [] });
    expect(seen.pooled.alerts.falseAlertCount).toBe(0);
    const monitor = await evaluateModel({ recordingsDirectory: join(directory, 'monitor'), input: 'wrist' }, deps);
    expect(monitor.records).toHaveLength(53);
    expect(monitor.notes.join(' ')).toContain('53 records have no rhythm labels');
  });
});

describe('the shipped models', () => {
  it('meet their aims on unseen patients, as the manifest says', async () => {
    const { models } = await readManifest(shippedModelsDirectory);
    const aims = { rr: 0.98, hr: 0.975, wrist: 0.955 } as const;
    await using predictor = await createPredictor({ engine: 'builtin' }, deps);
    for (const input of inputKinds) {
      expect(models[input]?.modelId).toBe(predictor.modelId(input));
      expect(models[input]?.unseen?.windows.areaUnderCurve).toBeGreaterThan(aims[input]);
      expect(models[input]?.unseen?.alerts.falseAlertsPerPatientDay).toBeLessThan(1);
    }
  });
});

function nextFibrillation(recording: Recording, fromSeconds: number): number {
  if (recording.type !== 'beats') return Number.POSITIVE_INFINITY;
  const episodes = fibrillationEpisodes(recording.rhythms, durationSeconds(recording), 0);
  const next = episodes.find(({ untilSeconds }) => untilSeconds > fromSeconds);
  return next?.fromSeconds ?? Number.POSITIVE_INFINITY;
}

function rhythmsBetween(recording: Recording, fromSeconds: number, untilSeconds: number): readonly string[] {
  if (recording.type !== 'beats') return [];
  const spans = rhythmSpans(recording.rhythms, durationSeconds(recording));
  const within = spans.filter((span) => span.fromSeconds < untilSeconds && span.untilSeconds > fromSeconds);
  return [...new Set(within.map(({ rhythm }) => rhythm))];
}
