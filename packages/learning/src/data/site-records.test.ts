import { silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { TaskBody } from '@pulsemesh/board';
import { verifyInclusion } from '@pulsemesh/board/verify';
import { createMemoryTables } from '@pulsemesh/store';
import { fromHex } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Consent, consentLeafHash, consentTreeOf } from './consents.ts';
import { driftOf, driftReferenceOf } from './drift.ts';
import type { DataQuery } from './query.ts';
import type { RecordSource } from './record-source.ts';
import { createSiteRecords } from './site-records.ts';
import type { LearningTable } from './table.ts';

const query: DataQuery = {
  name: 'pulse',
  version: 2,
  about: 'resting pulse',
  columns: [{ name: 'pulse', unit: 'bpm', about: 'at rest', low: 20, high: 250 }],
  label: null,
};
const task = {
  purpose: 'research/pulse',
  query: { name: 'pulse', version: 2, columns: ['pulse'] },
} as unknown as TaskBody; // what a site's records read of it
const taskId = 'a'.repeat(64);
const secret = new Uint8Array(32).fill(7);

function consent(patient: string, changes: Partial<Consent> = {}): Consent {
  const id = patient.charCodeAt(0).toString(16).padStart(2, '0').repeat(32);
  return { id, patient, purposes: ['research/pulse'], fromMs: 0, untilMs: 1000, withdrawnMs: null, ...changes };
}

function tableOf(patients: readonly string[], pulse = 60): LearningTable {
  return {
    columns: ['pulse'],
    values: Float64Array.from(patients, (_, index) => pulse + index),
    labels: new Uint8Array(patients.length),
    patients,
    patientOfRow: Uint32Array.from(patients, (_, index) => index),
  };
}

function world(consents: Consent[], known = ['anna', 'ben', 'carl', 'dora']) {
  const clock = new VirtualClock(100);
  const tables = createMemoryTables();
  const source: RecordSource = {
    read: async (_, patients) => ({ table: tableOf(known.filter((name) => patients.has(name))), rowsLeftOut: 0 }),
  };
  const open = () =>
    createSiteRecords(
      { queries: [query], secret, reference: driftReferenceOf(tableOf(known, 60)) },
      { source, consents: { consentsFor: async () => consents }, tables, clock, logger: silentLogger },
    );
  return { clock, open, tables };
}

describe('a site’s records', () => {
  it('are those of patients whose consent names the purpose and holds, as the contract was signed', async () => {
    const consents = [
      consent('anna'),
      consent('ben', { purposes: ['research/other'] }),
      consent('carl', { fromMs: 500 }),
      consent('dora', { withdrawnMs: 50 }),
      consent('emil'),
    ];
    const records = world(consents).open();
    expect(await records.contractData(task, taskId)).toMatchObject({ query: 'pulse', queryVersion: 2, patients: 0 });
    expect((await records.tableOf(task, taskId)).patients).toEqual(['anna']);
    expect(records.receipts(taskId)).toMatchObject([{ patient: 'anna', uses: 1, lastMs: 100 }]);
  });

  it('lose whoever withdraws or runs out with the next round, and gain nobody', async () => {
    const consents = [consent('anna'), consent('ben', { untilMs: 200 }), consent('carl')];
    const { clock, open } = world(consents);
    const records = open();
    await records.contractData(task, taskId);
    expect((await records.tableOf(task, taskId)).patients).toEqual(['anna', 'ben', 'carl']);
    consents[0] = consent('anna', { withdrawnMs: 150 });
    consents.push(consent('dora'));
    await clock.advance(150);
    const again = open();
    expect((await again.tableOf(task, taskId)).patients).toEqual(['carl']);
    const uses = again.receipts(taskId).map((receipt) => [receipt.patient, receipt.uses]);
    expect(uses).toEqual([
      ['anna', 1],
      ['ben', 1],
      ['carl', 2],
    ]);
  });

  it('are refused to a task that was not signed for, or that asks for what the site does not know', async () => {
    const records = world([consent('anna')]).open();
    await expect(records.tableOf(task, taskId)).rejects.toMatchObject({ code: 'data-consents-unsigned' });
    for (const changes of [{ name: 'x' }, { version: 1 }, { columns: ['name'] }, { columns: ['pulse', 'pulse'] }]) {
      const other = { ...task, query: { ...task.query, ...changes } };
      await expect(records.contractData(other, taskId)).rejects.toMatchObject({ code: 'data-unknown-query' });
    }
  });

  it('a second consent of the same patient does not replace the one that was signed for', async () => {
    const consents = [consent('anna', { untilMs: 200 })];
    const { clock, open } = world(consents);
    const records = open();
    await records.contractData(task, taskId);
    consents.push({ ...consent('anna'), id: 'f'.repeat(64) });
    expect((await records.tableOf(task, taskId)).patients).toEqual(['anna']);
    await clock.advance(150);
    expect((await records.tableOf(task, taskId)).patients).toEqual([]);
  });

  it('keep a receipt that proves each patient’s consent under the contract’s hash', async () => {
    const records = world(['anna', 'ben', 'carl'].map((name) => consent(name))).open();
    const { consentsHash } = await records.contractData(task, taskId);
    for (const { proof } of records.receipts(taskId)) {
      const { index, size, path } = proof;
      const claim = { index, size, proof: path, root: fromHex(consentsHash) };
      expect(verifyInclusion({ ...claim, leafHash: consentLeafHash(proof.consent, proof.salt) })).toBe(true);
      expect(verifyInclusion({ ...claim, leafHash: consentLeafHash('0'.repeat(64), proof.salt) })).toBe(false);
    }
  });

  it('are compared with what the model was trained on', async () => {
    const records = world([consent('anna')], ['anna']).open();
    await records.contractData(task, taskId);
    await records.tableOf(task, taskId);
    expect(records.drift()).toMatchObject([{ name: 'pulse' }]);
  });
});

describe('a tree of consents', () => {
  it('proves every consent, for any number of them', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.uuid(), { maxLength: 40 }), (ids) => {
        const { root, proofs } = consentTreeOf(ids, { taskId, secret });
        expect(proofs.size).toBe(ids.length);
        for (const { consent: id, salt, index, size, path } of proofs.values()) {
          const leafHash = consentLeafHash(id, salt);
          expect(verifyInclusion({ index, size, leafHash, root: fromHex(root), proof: path })).toBe(true);
        }
      }),
    );
  });

  it('is another under another task or secret, and the same in any order', () => {
    const root = (ids: readonly string[], of = taskId, by = secret) =>
      consentTreeOf(ids, { taskId: of, secret: by }).root;
    expect(root(['a', 'b', 'c'])).toBe(root(['c', 'a', 'b', 'a']));
    expect(root(['a', 'b'])).not.toBe(root(['a', 'b'], 'b'.repeat(64)));
    expect(root(['a', 'b'])).not.toBe(root(['a', 'b'], taskId, new Uint8Array(32)));
  });
});

describe('drift', () => {
  const many = (shift: number) =>
    tableOf(
      Array.from({ length: 1000 }, (_, index) => `p${index}`),
      60 + shift,
    );

  it('is none where nothing moved, strong where all moved, and as computed by hand between', () => {
    const reference = driftReferenceOf(many(0));
    expect(driftOf(reference, many(0))).toEqual([{ name: 'pulse', index: 0, level: 'none' }]);
    // A tenth moved from the first bin into the last: (0 − 0.1)·ln(0.0001/0.1) + (0.2 − 0.1)·ln(2), with shares kept above 0.0001.
    const expected = (0.0001 - 0.1) * Math.log(0.0001 / 0.1) + 0.1 * Math.log(2);
    const [drift] = driftOf(reference, many(100));
    expect(drift?.index).toBeCloseTo(expected, 10);
    expect(drift?.level).toBe('strong');
  });

  it('says nothing of columns that one side does not have, nor of nobody', () => {
    const reference = driftReferenceOf(many(0));
    expect(driftOf(reference, { ...many(0), columns: ['other'] })).toEqual([]);
    expect(driftOf(reference, tableOf([]))).toEqual([]);
    expect(driftReferenceOf(tableOf([])).columns[0]?.shares).toEqual([0]);
  });
});
