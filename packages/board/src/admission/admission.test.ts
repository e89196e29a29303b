import { VirtualClock } from '@pulsemesh/base/testing';
import { createMemoryTables, type TableStore } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import { testAuthor } from '../testing/sample-entries.ts';
import { Admission, type AdmissionOptions, admissionLimits } from './admission.ts';

const clinic = testAuthor('clinic').peerId;

function anAdmission(options: Partial<AdmissionOptions> = {}, store: TableStore = createMemoryTables()) {
  const clock = new VirtualClock();
  return { clock, store, admission: new Admission({ store, ...options }, { clock }) };
}

describe('admission to a board', () => {
  it('refuses strangers and says what to do', () => {
    const { admission, store } = anAdmission();
    expect(() => admission.charge(clinic, [10])).toThrow(/pulsemesh board admit/);
    expect(store.count('quota')).toBe(0);
  });

  it('lets in who is on the list until taken off, and whom an authority let in', async () => {
    const { admission } = anAdmission();
    await admission.admit(clinic);
    expect(admission.charge(clinic, [10])).toHaveLength(1);
    expect(admission.list()).toMatchObject([{ peer: clinic, quota: null }]);
    await admission.dismiss(clinic);
    expect(() => admission.charge(clinic, [10])).toThrow(expect.objectContaining({ refusal: 'stranger' }));
    expect(anAdmission({ isAdmitted: () => true }).admission.charge(clinic, [10])).toHaveLength(1);
  });

  it('counts entries and bytes a day, over a restart, and begins anew the next day', async () => {
    const { admission, clock, store } = anAdmission({ quota: { entriesMax: 2, bytesMax: 100 } });
    await admission.admit(clinic);
    expect(() => admission.charge(clinic, [101])).toThrow(expect.objectContaining({ refusal: 'bytes-a-day' }));
    await store.commit(admission.charge(clinic, [60]));
    expect(() => admission.charge(clinic, [60])).toThrow(expect.objectContaining({ retryable: true }));
    await store.commit(admission.charge(clinic, [40]));
    const again = new Admission({ store, quota: { entriesMax: 2, bytesMax: 200 } }, { clock });
    expect(() => again.charge(clinic, [1])).toThrow(expect.objectContaining({ refusal: 'entries-a-day' }));
    await clock.advance(86_400_000);
    expect(again.charge(clinic, [1])).toHaveLength(1);
  });

  it('gives an author the quota that the operator named', async () => {
    const { admission } = anAdmission({ quota: { entriesMax: 1, bytesMax: 100 } });
    await admission.admit(clinic, { entriesMax: 3, bytesMax: 1_000 });
    expect(admission.charge(clinic, [300, 300, 300])).toHaveLength(1);
  });

  it('begins no new day when the clock is set back', async () => {
    const store = createMemoryTables();
    const { admission } = anAdmission({ quota: { entriesMax: 1, bytesMax: 100 } }, store);
    await admission.admit(clinic);
    await store.commit(admission.charge(clinic, [1]));
    const earlier = new Admission({ store, quota: { entriesMax: 1, bytesMax: 100 } }, { clock: new VirtualClock(0) });
    expect(() => earlier.charge(clinic, [1])).toThrow();
  });

  it('holds as many as it says and no more', async () => {
    const { admission, store } = anAdmission();
    const rows = Array.from({ length: admissionLimits.authorsMax }, (_, index) => ({
      kind: 'put' as const,
      table: 'admitted',
      key: new TextEncoder().encode(`peer ${index}`),
      value: Uint8Array.of(0),
    }));
    await store.commit(rows);
    await expect(admission.admit(clinic)).rejects.toMatchObject({ code: 'admission-full' });
  });
});
