import { createPrometheusMeter, createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { expect, test } from 'vitest';
import { createTestLinkIdentity } from '../testing/linked-pair.ts';
import { createMemoryCarrierPair } from '../testing/memory-carriers.ts';
import { decodePacket, encodeHello, encodeHelloPacket } from '../wire/packet.ts';
import { createClientSession, createSessionServer, sessionConstants } from './index.ts';
import { pairOf, settled } from './session-test-pair.ts';

test('carriers past the limit are refused by the agent; the server closes the oldest that is not active', async () => {
  await using pair = await pairOf({
    clientOptions: { limits: { carriersPerSessionMax: 4 } },
    serverOptions: { limits: { carriersPerSessionMax: 2 } },
  });
  const second = pair.addCarriers();
  await pair.agent.attach(second.agent);
  await pair.agent.attach(pair.addCarriers().agent);
  await settled(pair.clock);
  expect(second.isClosed).toBe(true);
  expect(pair.serverSession.status.carriers).toHaveLength(2);
  const waiting = [1, 2, 3].map(() => pair.agent.attach(pair.addCarriers({ delayMs: 50 }).agent));
  for (const attached of waiting) attached.catch(() => {});
  await expect(waiting[2]).rejects.toMatchObject({ code: 'link-busy' });
  expect(pair.agent.status.state).toBe('up');
});

test('hellos past the limit of pending sessions put out the oldest that waits for its login, and no other', async () => {
  const judging = Promise.withResolvers<void>();
  const admit = async ({ software }: { software: string }) => {
    if (software === 'slow') await judging.promise;
    return { kind: 'admitted' } as const;
  };
  const pair = await pairOf({ serverOptions: { admit, limits: { pendingMax: 2 } } });
  const client = (seed: number, software = '') => {
    const random = createSeededRandom(seed);
    const dependencies = { clock: pair.clock, random, logger: silentLogger, meter: silentMeter };
    return createClientSession({ identity: createTestLinkIdentity(random), software }, dependencies);
  };
  const judged = client(1, 'slow');
  await judged.attach(pair.addCarriers().agent);
  // Welcomed, and then their logins are lost.
  const mute = (seed: number) =>
    client(seed).attach(
      pair.addCarriers({ tamper: (packet) => (decodePacket(packet).kind === 'sealed' ? null : packet) }).agent,
    );
  for (const seed of [2, 3, 4]) await mute(seed);
  const late = client(5);
  await late.attach(pair.addCarriers().agent);
  await late.established;
  // The one that is being judged stays; two of those leave no room.
  const other = client(6, 'slow');
  await other.attach(pair.addCarriers().agent);
  await settled(pair.clock);
  await expect(client(7).attach(pair.addCarriers().agent)).rejects.toMatchObject({ refusal: 'busy' });
  judging.resolve();
  await Promise.all([judged.established, other.established]);
  await client(8).attach(pair.addCarriers().agent);
});

test('a carrier begins one session, however many hellos it brings', async () => {
  const pair = await pairOf();
  const { agent } = pair.addCarriers();
  const answers: string[] = [];
  agent.start({
    onPacket: (packet) => {
      const answer = decodePacket(packet);
      answers.push(answer.kind === 'refusal' ? answer.code : answer.kind);
    },
    onWritable: () => {},
    onClosed: () => {},
  });
  const random = createSeededRandom(9);
  const hello = () =>
    encodeHelloPacket(encodeHello({ version: 1, ephemeral: random.bytes(32), nonce: random.bytes(32) }));
  const first = hello();
  for (const packet of [first, hello(), first]) {
    agent.send(packet);
    await settled(pair.clock);
  }
  expect(answers).toEqual(['welcome', 'malformed', 'welcome']);
});

test('before the login little is kept that came early; all of it arrives once it is accepted', async () => {
  const judging = Promise.withResolvers<void>();
  const admit = () => judging.promise.then(() => ({ kind: 'admitted' }) as const);
  const clock = new VirtualClock();
  const random = createSeededRandom(1);
  const meter = createPrometheusMeter();
  const dependencies = { clock, random, logger: silentLogger, meter: silentMeter };
  const server = createSessionServer(
    { identity: createTestLinkIdentity(random), certificateSha256: () => null, admit },
    { ...dependencies, meter },
  );
  let got = 0;
  const all = Promise.withResolvers<void>();
  server.onSession((session) => {
    session.serve('in', (stream) =>
      stream.consume(
        () => {
          got += 1;
          if (got === 200) all.resolve();
        },
        () => {},
      ),
    );
  });
  const carriers = createMemoryCarrierPair({ clock, random });
  server.accept(carriers.server);
  const agent = createClientSession({ identity: createTestLinkIdentity(random), software: '' }, dependencies);
  await agent.attach(carriers.agent);
  const stream = agent.open('in');
  for (let count = 0; count < 200; count += 1) stream.write(new Uint8Array(1_000));
  await clock.advance(500);
  const kept = Math.floor(sessionConstants.pendingEarlyBytesMax / (1_000 + sessionConstants.itemCostBytes));
  const dropped = Number(/items_dropped_total (\d+)/.exec(await meter.text())?.[1]);
  expect(dropped).toBeGreaterThanOrEqual(200 - kept);
  judging.resolve();
  await agent.established;
  // Asked for at once: long before the timer would send it again.
  await clock.advance(100);
  await all.promise;
});

test('a carrier that says nothing of a session is closed', async () => {
  await using pair = await pairOf({ serverOptions: { limits: { pendingMs: 1_000 } } });
  const silent = pair.addCarriers();
  silent.agent.start({ onPacket: () => {}, onWritable: () => {}, onClosed: () => {} });
  await pair.clock.advance(1_100);
  expect(silent.isClosed).toBe(true);
});
