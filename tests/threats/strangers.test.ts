import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createBox } from '@pulsemesh/crypto';
import { createRpcClient, type NetworkPort, type ProtocolName, type RpcClient } from '@pulsemesh/network';
import { createMemoryNetwork } from '@pulsemesh/network/testing';
import { createMemoryRecords, createMemoryTables } from '@pulsemesh/store';
import { createLocalPeopleClient, openPeopleDirectory, servePeople } from '@pulsemesh/vitals/people';
import { createRecordsClient } from '@pulsemesh/vitals/records';
import { startAggregationRole } from '@pulsemesh/vitals/roles/aggregation';
import { startIngestCore } from '@pulsemesh/vitals/roles/ingest-core';
import { startNotificationRole } from '@pulsemesh/vitals/roles/notification';
import { startPredictionRole } from '@pulsemesh/vitals/roles/prediction';
import { startStorageRole } from '@pulsemesh/vitals/roles/storage';
import { describe, expect, it } from 'vitest';
import { serveAccessLog } from '../../packages/node/src/consent/access-log-service.ts';
import { serveEmergencies } from '../../packages/node/src/consent/emergency-service.ts';
import { serveStatus } from '../../packages/node/src/status/status.ts';

/** What a peer that is not trusted gets on each protocol that any role serves. */
const expected: Readonly<Record<ProtocolName, 'refused' | 'told whether there is room' | 'known by name'>> = {
  // A custodian's: its log is public, hashes alone; its emergencies are for the homes that its settings name.
  '/pulsemesh/access-log/1': 'known by name',
  '/pulsemesh/aggregation/1': 'refused',
  '/pulsemesh/emergency/1': 'known by name',
  '/pulsemesh/feed/1': 'refused',
  '/pulsemesh/free-prediction/1': 'told whether there is room',
  '/pulsemesh/free-storage/1': 'told whether there is room',
  '/pulsemesh/notification/1': 'refused',
  '/pulsemesh/people/1': 'refused',
  '/pulsemesh/prediction/1': 'refused',
  '/pulsemesh/status/1': 'refused',
  '/pulsemesh/storage/1': 'refused',
};

const methods = ['put', 'copy', 'query', 'scan', 'counts', 'info', 'take', 'replicate', 'done', 'folds', 'subscribe']
  .concat([
    'predict',
    'notify',
    'notice',
    'open',
    'resolve',
    'bySubject',
    'contacts',
    'changes',
    'status',
    'metrics',
    'moveRelay',
  ])
  .concat(['constructor', '__proto__', 'toString']);

/** A peer that runs every role and trusts nobody, and the protocols it serves. */
async function startEverything(clock: VirtualClock) {
  const random = createSeededRandom(3);
  const network = createMemoryNetwork({ clock, random });
  const inner = network.join({
    roles: ['gateway', 'storage', 'aggregation', 'prediction', 'notification', 'ingest'],
    isTrusted: () => false,
  });
  const served: ProtocolName[] = [];
  const port: NetworkPort = new Proxy(inner, {
    get(target, name) {
      if (name === 'serve') {
        return (...[protocol, handler]: Parameters<NetworkPort['serve']>) => {
          served.push(protocol);
          return target.serve(protocol, handler);
        };
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const box = createBox(random.bytes(32), { random });
  const tables = createMemoryTables();
  const directory = await openPeopleDirectory({}, { tables, box, random });
  const own = { port, rpc: createRpcClient({ port, clock }), clock, random, tables, box };
  const people = createLocalPeopleClient(directory);
  const deps = { ...own, people, logger: silentLogger, meter: silentMeter };
  servePeople(port, directory, deps);
  const moveRelay = () => expect.unreachable();
  serveStatus(port, { status: () => expect.unreachable(), metrics: () => expect.unreachable(), moveRelay });
  await startStorageRole({}, { ...deps, records: createMemoryRecords({ random }) });
  const records = createRecordsClient({}, deps);
  await startAggregationRole({}, { ...deps, records });
  const predictor = { modelId: () => '0'.repeat(16), predict: () => expect.unreachable() };
  await startPredictionRole({}, { ...deps, predictor });
  const transport = { send: () => expect.unreachable(), close: () => {} };
  const smtp = { host: '127.0.0.1', port: 9, secure: false };
  const mail = { smtp, from: 'a@example.org', pageUrl: 'http://localhost:1/' };
  await startNotificationRole(mail, { ...deps, records, transport });
  await startIngestCore({}, deps);
  serveAccessLog(port, { log: () => ({ checkpoint: Uint8Array.of(1), leaves: [new Uint8Array(32)] }) });
  serveEmergencies(port, { office: { emergency: () => expect.unreachable() }, homes: [] }, deps);
  return { network, self: inner.self, served };
}

async function answerTo(rpc: RpcClient, peer: NetworkPort['self'], protocol: ProtocolName, method: string) {
  return rpc.call(peer, protocol, method, { userIds: [], subjects: [], since: 0 }, { timeoutMs: 1_000 }).then(
    (answer) => ({ answer }),
    (error: unknown) => ({ code: (error as { code: unknown }).code }),
  );
}

describe('rows 39 and 60: a peer that nobody trusts', () => {
  it('is refused by every protocol of every role, whatever it asks, and none is missing here', async () => {
    const clock = new VirtualClock();
    const { network, self, served } = await startEverything(clock);
    expect([...served].sort()).toEqual(Object.keys(expected).sort());
    const rpc = createRpcClient({ port: network.join({ roles: ['gateway', 'storage'] }), clock });
    for (const [protocol, outcome] of Object.entries(expected)) {
      if (outcome === 'known by name') continue;
      for (const method of outcome === 'refused' ? methods : ['ask']) {
        const got = await answerTo(rpc, self, protocol as ProtocolName, method);
        const refused = { code: 'untrusted' };
        expect([protocol, method, got]).toEqual([protocol, method, outcome === 'refused' ? refused : { answer: true }]);
      }
    }
  });

  it('reads hashes of a custodian’s log and nothing else there, and has no emergency', async () => {
    const clock = new VirtualClock();
    const { network, self } = await startEverything(clock);
    const rpc = createRpcClient({ port: network.join({ roles: ['gateway'] }), clock });
    const ask = (protocol: ProtocolName, method: string, body: unknown) =>
      rpc.call(self, protocol, method, body, { timeoutMs: 1_000 });
    const log = await ask('/pulsemesh/access-log/1', 'log', { from: 0 });
    expect(log).toEqual({ checkpoint: Uint8Array.of(1), leaves: [new Uint8Array(32)] });
    const emergency = { subject: new Uint8Array(16), reason: 'unconscious' };
    await expect(ask('/pulsemesh/emergency/1', 'open', emergency)).rejects.toMatchObject({ code: 'no-home' });
    for (const protocol of ['/pulsemesh/access-log/1', '/pulsemesh/emergency/1'] as const) {
      for (const method of methods.filter((one) => one !== 'open')) {
        const refused = { retryable: false };
        await expect(ask(protocol, method, emergency), `${protocol} ${method}`).rejects.toMatchObject(refused);
      }
    }
  });
});
