import { createPeopleClient } from '@pulsemesh/vitals/people';
import type { Reading } from '@pulsemesh/vitals/readings';
import { startIngestCore } from '@pulsemesh/vitals/roles/ingest-core';
import type { Environment } from './machine.ts';

/** Where simulated devices hand in readings. */
export interface HandOff {
  /** Resolves once all are acknowledged; false where one was refused. Never, when the machine dies before. */
  accept(readings: readonly Reading[]): Promise<boolean>;
  /** Batches not yet handed on. */
  readonly pending: number;
}

/** Starts the ingest behind a door without sockets: a call is a PUBLISH, its settling the PUBACK. */
export async function startHandOff(environment: Environment): Promise<HandOff> {
  const core = await startIngestCore({}, { ...environment, people: createPeopleClient(environment) });
  const publish = (reading: Reading) =>
    new Promise<boolean>((resolve) => {
      const message = { clientId: reading.userId, allowedUserIds: 'any', messageId: null } as const;
      core.onPublish({ ...message, payload: encodeMessage(reading) }, (refusal) => resolve(refusal === null));
    });
  return {
    get pending() {
      return core.status().batchesWaiting;
    },
    accept: async (readings) => (await Promise.all(readings.map(publish))).every((isTaken) => isTaken),
  };
}

/** Version 1 of the device's message. */
function encodeMessage({ userId, tMs, heartRateBpm, rrMs, seq }: Reading): Buffer {
  return Buffer.from(JSON.stringify({ userId, t: tMs, heartrate: heartRateBpm, rr: rrMs, seq }));
}
