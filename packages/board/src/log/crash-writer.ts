import { join } from 'node:path';
import { createSystemRandom } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import { openJournaledTables, openLmdbTables } from '@pulsemesh/store';
import { openBoardLog } from './stored-log.ts';

// A process for the crash test: appends numbered leaves for ever, eight callers at once, and prints `number index` once a leaf is
// acknowledged and each checkpoint it shows. Arguments:
// lmdb or journal, DIRECTORY, the first number.

const [engine, directory = '', first = '0'] = process.argv.slice(2);
let next = Number(first);

const places = { directory: join(directory, 'tables'), journalDirectory: join(directory, 'journal') };
const store =
  engine === 'lmdb'
    ? await openLmdbTables(places)
    : await openJournaledTables(places, { random: createSystemRandom() });
const log = await openBoardLog({
  store,
  signer: createSigner(new Uint8Array(32).fill(5).with(0, 1)),
  origin: 'board.example/1',
});
log.onCheckpoint(({ size, root }) => process.stdout.write(`head ${size} ${Buffer.from(root).toString('hex')}\n`));
await Promise.all(Array.from({ length: 8 }, appendForEver));

async function appendForEver(): Promise<never> {
  for (;;) {
    const number = next;
    next += 1;
    const { index } = await log.append(new TextEncoder().encode(`leaf ${number}`));
    process.stdout.write(`leaf ${number} ${index}\n`);
  }
}
