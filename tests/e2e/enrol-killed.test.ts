import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createPrometheusMeter, createSeededRandom, createSystemClock, silentLogger, sleep } from '@pulsemesh/base';
import { identityOfSeed } from '@pulsemesh/identity';
import { parseEnrolmentToken } from '@pulsemesh/identity/authority';
import { enrolAgent } from '@pulsemesh/node/relay';
import { expect, it } from 'vitest';
import { CommandProcess, temporaryDirectory } from './demo-process.ts';

const seed = Number(process.env['RELAY_SEED'] ?? 1);
const random = createSeededRandom(seed);
const deps = { clock: createSystemClock(), random, logger: silentLogger, meter: createPrometheusMeter() };

async function command(...args: readonly string[]): Promise<string> {
  await using running = new CommandProcess(args);
  expect(await running.exited, running.text).toBe(0);
  return running.text.trim();
}

it(`a relay killed while it enrols gives one token to one agent, whoever heard what (RELAY_SEED=${seed})`, async () => {
  using directory = temporaryDirectory();
  const data = join(directory.path, 'relay');
  await command('authority', 'init', '--organisation', 'St. Mary', '--data', data);
  const start = (port: string) => new CommandProcess(['relay', '--data', data, '--port', port, '--log-level', 'error']);
  let relay = start('0');
  try {
    const [, url = ''] = await relay.seen(/"listening":"([^"]+)"/);
    const network = { proxy: { kind: 'none' } } as const;
    for (const round of [1, 2, 3]) {
      const text = await command('authority', 'token', '--organisation', 'Ward 7', '--url', url, '--data', data);
      const token = parseEnrolmentToken(text);
      const place = join(directory.path, `agent-${round}`);
      mkdirSync(place);
      const [first, second] = [identityOfSeed(random.bytes(32)), identityOfSeed(random.bytes(32))];
      const abort = new AbortController();
      const lost = enrolAgent({ dataDirectory: place, token, network, signal: abort.signal }, first, deps);
      const settled = lost.then(
        () => true,
        () => false,
      );
      // At a random point of the handshake, the commit and the answer.
      await sleep(deps.clock, random.float() * 120);
      relay.signal('SIGKILL');
      await relay.exited;
      abort.abort();
      await settled;
      relay = start(new URL(url).port);
      await relay.seen(/"listening"/);
      const enrolment = await enrolAgent({ dataDirectory: place, token, network }, first, deps);
      expect(enrolment.membership?.organisation).toBe('Ward 7');
      const other = join(directory.path, `other-${round}`);
      mkdirSync(other);
      const stolen = enrolAgent({ dataDirectory: other, token, network }, second, deps);
      await expect(stolen).rejects.toMatchObject({ code: 'token-unknown' });
    }
    const agents = JSON.parse(await command('authority', 'agents', '--json', '--data', data));
    expect(agents).toHaveLength(3);
  } finally {
    await relay[Symbol.asyncDispose]();
  }
});
