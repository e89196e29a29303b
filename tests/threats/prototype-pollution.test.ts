import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, silentLogger, silentMeter } from '@pulsemesh/base';
import { parseNodeConfig, readNodeConfig, readPeerList } from '@pulsemesh/node';
import { createFakeBackend } from '@pulsemesh/node/testing';
import { parsePatientInput } from '@pulsemesh/vitals/people';
import { encodeReading, parseReadingMessage, type UserId } from '@pulsemesh/vitals/readings';
import { parseAlertEventObject } from '@pulsemesh/vitals/records';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { parseHello } from '../../packages/network/src/announcement.ts';
import { parseRpcMessage } from '../../packages/network/src/rpc-messages.ts';
import { parseArrival } from '../../packages/node/src/gateway/arrivals.ts';
import { startHttpServer } from '../../packages/node/src/gateway/http-server.ts';
import { LiveView } from '../../packages/node/src/gateway/live-view.ts';
import { contactsFromCbor, factsFromCbor, rowFromCbor } from '../../packages/vitals/src/people/patient-row.ts';
import { parseSubjectIds, parseUserIds } from '../../packages/vitals/src/people/people-wire.ts';
import { parseAsked, parseHolder, parseRows } from '../../packages/vitals/src/records/storage-wire.ts';
import { parsePredictBody } from '../../packages/vitals/src/roles/aggregation/prediction-wire.ts';
import { parseBatch, parseDone, parseFoldsAsked } from '../../packages/vitals/src/roles/aggregation/wire.ts';
import { ask } from './raw-http.ts';

const text = (value: unknown) => JSON.stringify(value);
const bytes = (value: unknown) => new TextEncoder().encode(text(value));
const person = { name: 'Ada', email: 'ada@example.org', language: 'en' };
const patient = {
  ...person,
  userId: 'w',
  doctor: person,
  tells: { patient: true, doctor: true },
  device: { kind: 'live' },
};
const subject = 'ab'.repeat(16);
const reading = { userId: 'w' as UserId, tMs: 1, heartRateBpm: 60, rrMs: [], seq: null, confidence: null };
const config = { name: 'n', roles: ['bootstrap'], dataDirectory: '/data', log: { level: 'info' } };
const raised = { type: 'raised', alertId: subject, kind: 'irregular-rhythm', episodeStartSeconds: 0, atSeconds: 10 };
const file = join(mkdtempSync(join(tmpdir(), 'pulsemesh-proto-')), 'file.json');
const fromFile = (value: unknown, read: () => unknown) => {
  writeFileSync(file, text(value));
  return read();
};
const throughCbor = (value: unknown) => decodeCbor(encodeCbor(value));

/** Each parser of something that comes from outside, and a value it takes. */
const inputs: readonly (readonly [name: string, valid: unknown, parse: (value: unknown) => unknown])[] = [
  ['a device message', { userId: 'w', heartrate: 60 }, (value) => parseReadingMessage(bytes(value), 1)],
  ['a patient', patient, parsePatientInput],
  ['a node configuration', config, parseNodeConfig],
  ['a configuration file', config, (value) => fromFile(value, () => readNodeConfig(file, {}, {}))],
  ['a list of peers', { peers: [] }, (value) => fromFile(value, () => readPeerList('--trust', file))],
  ['a line of arrivals', ['reading', subject, 1, 2], (value) => parseArrival(text(value))],
  ['a hello', [1, 1], (value) => parseHello(encodeCbor(value))],
  ['an rpc message', [0, 1, 'm', {}], (value) => parseRpcMessage(encodeCbor(value))],
  [
    'a batch of readings',
    { batchId: 'b', subjects: [[subject, 'w', 'live', true, encodeReading({ ...reading, isStamped: false })]] },
    (value) => parseBatch(throughCbor(value)),
  ],
  ['windows that are done', { windows: [[subject, 10, 'd', null]] }, (value) => parseDone(throughCbor(value))],
  ['folds asked for', { subjects: [subject] }, (value) => parseFoldsAsked(throughCbor(value))],
  ['windows to judge', { windows: [] }, (value) => parsePredictBody(throughCbor(value))],
  ['user ids asked for', { userIds: ['w'] }, (value) => parseUserIds(throughCbor(value))],
  ['subjects asked for', { subjects: [subject] }, (value) => parseSubjectIds(throughCbor(value))],
  ['record rows', [], (value) => parseRows(throughCbor(value))],
  ['a copy holder', {}, (value) => parseHolder(throughCbor(value))],
  ['buckets asked for', [], (value) => parseAsked(throughCbor(value))],
  ['an alert event', raised, (value) => parseAlertEventObject(throughCbor(value))],
  ['a row of the directory', {}, (value) => rowFromCbor(throughCbor(value))],
  ['facts of a patient', {}, (value) => factsFromCbor(throughCbor(value))],
  ['contacts', {}, (value) => contactsFromCbor(throughCbor(value))],
  [
    'a push of the feed',
    { readings: [[subject, 1, 60, []]], windows: [], alerts: [[subject, raised]] },
    (value) => new LiveView(parseAlertEventObject).take(throughCbor(value), 1),
  ],
];

const evil = [
  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"__proto__":{"__proto__":{"polluted":1}}}',
  '{"prototype":{"polluted":1},"__proto__":null}',
] as const;

/** `value` with the keys of `poison` as own keys of every object in it, and in place of every value. */
function* poisoned(value: unknown, poison: Readonly<Record<string, unknown>>): Generator<unknown> {
  yield poison;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if (!Array.isArray(value)) yield withOwn(value, poison);
  for (const [key, inner] of Object.entries(value)) {
    for (const changed of poisoned(inner, poison)) {
      const copy = Array.isArray(value) ? [...value] : { ...value };
      Object.defineProperty(copy, key, { value: changed, enumerable: true });
      yield copy;
    }
  }
}

// By definition, not assignment: to assign `__proto__` would set the prototype here in the test.
function withOwn(value: object, poison: Readonly<Record<string, unknown>>): object {
  const copy = { ...value };
  for (const [key, inner] of Object.entries(poison)) {
    Object.defineProperty(copy, key, { value: inner, enumerable: true, configurable: true });
  }
  return copy;
}

const roots = [Object.prototype, Array.prototype, Function.prototype, Map.prototype, Uint8Array.prototype];
const rootKeys = () => roots.map((root) => Reflect.ownKeys(root).map(String).sort());

/** True when `polluted` can be reached by name from any object of `value`. */
function isPolluted(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return 'polluted' in value || Object.values(value).some(isPolluted);
}

describe('row 31: keys that name the prototype', () => {
  it.each(inputs)('in %s touch neither the prototypes nor the result', (_name, valid, parse) => {
    const before = rootKeys();
    let tried = 0;
    for (const json of evil) {
      for (const value of poisoned(valid, JSON.parse(json) as Record<string, unknown>)) {
        let result: unknown;
        try {
          result = parse(value);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
        tried += 1;
        // What a message carries for others may keep such a key as a key like others, on an object without a prototype.
        if (_name !== 'an rpc message') expect([text(value), isPolluted(result)]).toEqual([text(value), false]);
      }
    }
    expect(tried).toBeGreaterThanOrEqual(evil.length);
    expect(rootKeys()).toEqual(before);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('are refused in every body of the HTTP API', async () => {
    const token = 'T'.repeat(43);
    await using server = await startHttpServer(
      { host: '127.0.0.1', port: 0, token, hostNames: [], webDirectory: null, version: '0' },
      createFakeBackend(),
      { clock: createSystemClock(), logger: silentLogger, meter: silentMeter },
    );
    const before = rootKeys();
    const headers = { authorization: `Bearer ${token}` };
    const targets = [
      ['POST', '/api/v1/patients', patient],
      ['PUT', `/api/v1/patients/${subject}`, patient],
      ['POST', `/api/v1/alerts/${subject}/acknowledge`, { by: 'Dr Who' }],
    ] as const;
    for (const [method, path, valid] of targets) {
      for (const json of evil) {
        for (const value of poisoned(valid, JSON.parse(json) as Record<string, unknown>)) {
          const { status } = await ask(server.port, method, path, headers, text(value));
          expect([path, text(value), status]).toEqual([path, text(value), 400]);
        }
      }
    }
    expect(rootKeys()).toEqual(before);
  });
});
