// A process that mails a researcher over real tables and real SMTP, for tests that kill it.
// Arguments: data directory, SMTP port, ids of granted offers, divided by commas. The first look finds an office without any.
import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { createBox } from '@pulsemesh/crypto';
import { openLmdbTables } from '@pulsemesh/store';
import type { ResearchView } from '../api/consent-types.ts';
import { startResearcherMail } from './researcher-mail.ts';

const [directory = '', smtpPort = '', ids = ''] = process.argv.slice(2);
const random = createSystemRandom();
const tables = await openLmdbTables({ directory }, { logger: silentLogger });
const handlers = new Set<() => void>();
let grants: readonly { readonly grantId: string; readonly phase: string }[] = [];
startResearcherMail(
  {
    view: () => ({ asks: [], grants }) as unknown as ResearchView, // what is looked at of it
    onChange(handler) {
      handlers.add(handler);
      return { [Symbol.dispose]: () => void handlers.delete(handler) };
    },
  },
  {
    notify: { email: 'ada@example.org', language: 'en' },
    organisation: 'Institute',
    smtp: {
      host: '127.0.0.1',
      port: Number(smtpPort),
      ...{ isSecure: false, from: 'Pulsemesh <p@example.org>', pageUrl: 'http://localhost:1' },
    },
    ...{ password: null, identity: { nodeBoxKey: new Uint8Array(32).fill(3) }, retryMs: 20 },
  },
  {
    tables,
    box: createBox(new Uint8Array(32).fill(2), { random }),
    ...{ clock: createSystemClock(), random, logger: silentLogger, meter: silentMeter },
  },
);
grants = ids.split(',').map((grantId) => ({ grantId, phase: 'offered' }));
for (const handler of handlers) handler();
process.stdin.on('end', () => process.exit(0)).resume();
