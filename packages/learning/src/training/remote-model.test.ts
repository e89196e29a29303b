import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import type { LearningTable } from '../data/table.ts';
import { createRemoteModel, remoteModelLimits } from './remote-model.ts';

const state = { means: Float32Array.of(1), scales: Float32Array.of(2), weights: Float32Array.of(3, 4) };

function tableOf(rows: number): LearningTable {
  const labels = new Uint8Array(rows).fill(1);
  return {
    columns: ['x'],
    values: new Float64Array(rows).fill(5),
    labels,
    patients: ['p'],
    patientOfRow: new Uint32Array(rows),
  };
}

function modelOf(ask: (message: Uint8Array) => Promise<Uint8Array>) {
  return createRemoteModel({ family: 'far' }, { ask, random: createSeededRandom(1) });
}

function split(message: Uint8Array) {
  const length = new DataView(message.buffer, message.byteOffset).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(message.subarray(4, 4 + length))) as Record<string, unknown>;
  return { header, body: message.slice(4 + length) };
}

describe('a model that another program trains', () => {
  it('sends header, state, inputs and labels as the README says', async () => {
    const heard: Uint8Array[] = [];
    const scores = await modelOf(async (message) => {
      heard.push(message);
      return new Uint8Array(new Float32Array([0.25, 0.5]).buffer);
    }).scores(state, tableOf(2));
    expect([...scores]).toEqual([0.25, 0.5]);
    const { header, body } = split(heard[0] as Uint8Array);
    expect(header).toMatchObject({
      version: 1,
      kind: 'score',
      family: 'far',
      inputs: 1,
      parameters: 2,
      rows: 2,
      part: 0,
      parts: 1,
    });
    expect([...new Float32Array(body.buffer, 0, 6)]).toEqual([1, 2, 3, 4, 5, 5]);
    expect([...body.subarray(24)]).toEqual([1, 1]);
  });

  it('cuts what is long into parts of one run', async () => {
    const headers: Record<string, unknown>[] = [];
    const rows = remoteModelLimits.partBytes / 4;
    await modelOf(async (message) => {
      headers.push(split(message).header);
      return new Uint8Array(4 * rows);
    }).scores(state, tableOf(rows));
    expect(headers.map(({ part, parts }) => [part, parts])).toEqual([
      [0, 2],
      [1, 2],
    ]);
    expect(headers[0]?.['run']).toBe(headers[1]?.['run']);
  });

  it('refuses an answer of another length', async () => {
    const model = modelOf(async () => new Uint8Array(5));
    await expect(async () => model.scores(state, tableOf(2))).rejects.toMatchObject({
      code: 'training-update-malformed',
    });
  });
});
