import { Condition } from '@pulsemesh/base';
import type { RecordShelf, VitalKind } from '@pulsemesh/ledger';
import { type RecordKind, recordKinds } from '@pulsemesh/store';
import type { RecordsClient } from '@pulsemesh/vitals/records';

/** What people ask for, and what stores call it. */
export const kindOfVital: Readonly<Record<VitalKind, RecordKind>> = {
  readings: recordKinds.reading,
  windows: recordKinds.window,
  predictions: recordKinds.prediction,
  alerts: recordKinds.alert,
};

/** Records handed out for one read; who wants more asks for a shorter span. */
const recordsMax = 100_000;

/** More records lie in the span than one read gives. */
export class SpanTooFullError extends Condition {
  override readonly name = 'SpanTooFullError';
  constructor() {
    super('span-too-full', `more than ${recordsMax} records lie in that span: ask for a shorter one`, {
      facts: { recordsMax },
    });
  }
}

/** Sealed records wherever they lie, this node's own store included. */
export function createRecordShelf(records: Pick<RecordsClient, 'query'>): RecordShelf {
  return {
    async read(subject, vital, span, options = {}) {
      const found = await records.query({ subject, kind: kindOfVital[vital], ...span, limit: recordsMax }, options);
      if (found.length >= recordsMax) throw new SpanTooFullError();
      return found;
    },
  };
}
