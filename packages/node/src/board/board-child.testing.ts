import { createPrometheusMeter, createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { identityOfSeed } from '@pulsemesh/identity';
import { boardServiceSchema } from '../config/board-settings.ts';
import { startBoardService } from './board-service.ts';

// A board in a process of its own, to be killed: `node board-child.testing.ts DIRECTORY PORT [WITNESS]`.
const [dataDirectory = '', port = '0', witness] = process.argv.slice(2);
const options = boardServiceSchema.parse({
  port: Number(port),
  open: true,
  entriesPerDay: 1_000_000,
  witnesses: witness === undefined ? [] : [{ key: witness }],
});
const meter = createPrometheusMeter({ role: 'board', instance: 'test' });
const deps = { clock: createSystemClock(), random: createSystemRandom(), logger: silentLogger, meter };
const identity = identityOfSeed(new Uint8Array(32).fill(7));
const { url, key } = await startBoardService({ ...options, dataDirectory }, identity, deps);
process.stdout.write(`${JSON.stringify({ url, key })}\n`);
