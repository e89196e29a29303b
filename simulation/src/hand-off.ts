import { createPeopleClient } from '@pulsemesh/vitals/people';
import type { Reading } from '@pulsemesh/vitals/readings';
import { type IngestDependencies, startIngestRole } from '@pulsemesh/vitals/roles/ingest';
import type { Environment } from './machine.ts';

/** Where simulated devices hand in readings. */
export interface HandOff {
  /** Resolves once all are acknowledged; false where one was refused. Never, when the machine dies before. */
  accept(readings: readonly Reading[]): Promise<boolean>;
  /** Batches not yet handed on. */
  readonly pending: number;
}

type StartBroker = NonNullable<IngestDependencies['startBroker']>;
type OnPublish = Parameters<StartBroker>[1]['onPublish'];

/** Starts the ingest role behind a door without sockets: a call is a PUBLISH, its settling the PUBACK. */
export async function startHandOff(environment: Environment): Promise<HandOff> {
  let publish: OnPublish | undefined;
  const startBroker: StartBroker = async (_options, { onPublish }) => {
    publish = onPublish;
    return { url: 'mqtt://simulated', port: 0, clientCount: 1, async [Symbol.asyncDispose]() {} };
  };
  const people = createPeopleClient(environment);
  const role = await startIngestRole({}, { ...environment, people, startBroker });
  return {
    get pending() {
      return role.status().batchesWaiting;
    },
    async accept(readings) {
      const settled = await Promise.all(
        readings.map(
          (reading) =>
            new Promise<boolean>((resolve) => {
              const message = { clientId: reading.userId, allowedUserIds: 'any', messageId: null } as const;
              publish?.({ ...message, payload: encodeMessage(reading) }, (refusal) => resolve(refusal === null));
            }),
        ),
      );
      return settled.every((isTaken) => isTaken);
    },
  };
}

/** Version 1 of the device's message. */
function encodeMessage({ userId, tMs, heartRateBpm, rrMs, seq }: Reading): Buffer {
  return Buffer.from(JSON.stringify({ userId, t: tMs, heartrate: heartRateBpm, rr: rrMs, seq }));
}
