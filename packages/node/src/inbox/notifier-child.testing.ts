// A process with one notification peer over real tables and real SMTP, for tests that kill it.
// Arguments: data directory, SMTP port. Notifies itself of one alert, and prints `sent` once the mail is marked sent.
import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { createBox, createKeyTree } from '@pulsemesh/crypto';
import { createRpcClient, type SubjectId } from '@pulsemesh/network';
import { createMemoryNetwork } from '@pulsemesh/network/testing';
import { openLmdbTables } from '@pulsemesh/store';
import type { KnownPatient } from '@pulsemesh/vitals/people';
import { notificationProtocol, startNotificationRole } from '@pulsemesh/vitals/roles/notification';

const [directory = '', smtpPort = ''] = process.argv.slice(2);
const clock = createSystemClock();
const random = createSystemRandom();
const tree = createKeyTree(new Uint8Array(32).fill(5));
const subjectId = tree.subjectId as SubjectId;
const patient = { name: 'Ada Example', email: 'ada@example.org', language: 'en' } as const;

const tables = await openLmdbTables({ directory }, { logger: silentLogger });
const network = createMemoryNetwork({ clock, random });
const port = network.join({ roles: ['notification'] });
const role = await startNotificationRole(
  {
    smtp: { host: '127.0.0.1', port: Number(smtpPort), secure: false },
    from: 'Pulsemesh <alerts@example.org>',
    pageUrl: 'http://localhost:1',
  },
  {
    port,
    tables,
    box: createBox(new Uint8Array(32).fill(6), { random }),
    people: {
      contacts: async () => ({ patient, doctor: null, tells: { patient: true, doctor: false } }),
      bySubject: async () => new Map([[subjectId, { subjectId, keyTree: tree } as KnownPatient]]), // what is used of it
    },
    records: { put: async () => ({ copies: 2 }) },
    clock,
    random,
    logger: silentLogger,
    meter: silentMeter,
  },
);
const rpc = createRpcClient({ port: network.join({ roles: ['aggregation'] }), clock });
const alertId = 'ab'.repeat(16);
const raised = { type: 'raised', alertId, kind: 'irregular-rhythm', episodeStartSeconds: 1000, atSeconds: 1300 };
await rpc.call(port.self, notificationProtocol, 'notify', { subjectId, events: [raised] });

const look = () => {
  if (role.counts().sent === 1) process.stdout.write('sent\n');
  else clock.setTimer(look, 20);
};
look();
process.stdin.on('end', () => process.exit(0)).resume();
