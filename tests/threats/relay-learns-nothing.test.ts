import { accessSync, constants } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { startTicker } from '@pulsemesh/base/clock';
import type { NodeLinkOptions, TransportName } from '@pulsemesh/link';
import { createTestAuthority, startBox } from '@pulsemesh/link/testing';
import { addressOfKey, createMemoryPairs, inboxIdOf } from '@pulsemesh/relay/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { moveFiles } from './file-courier.ts';
import {
  contactOf,
  dependencies,
  identityOf,
  introduce,
  RelayProcess,
  startAgent,
  transports,
} from './relayed-agents.ts';
import { bytesOfFiles, formsOf, holds, memoryHolds } from './traces.ts';
import { temporaryDirectory } from './whole-node.ts';

// Rows 1 and 25. Alice (1) sends sealed markers to Bob (2), who is away, so that the relay keeps them, and talks with Carol (3), who is
// there, in requests and streams. What is looked for is what all markers of one way have in common.

const place = temporaryDirectory();
const authority = createTestAuthority('Messaging');
const served = authority.issue();
const trusted: Partial<NodeLinkOptions> = { trust: { caPems: [authority.certificatePem], isExclusive: true } };
const drawn = Buffer.from(dependencies.random.bytes(9)).toString('hex');
const tagOf = (what: string) => `${drawn}-${what}-heart-rate`;
const markersOf = (what: string) => Array.from({ length: 64 }, (_, index) => `${tagOf(what)}-${index}-of-a-patient`);
const canReadMemory = isReadable('/proc/self/mem');
let relay: RelayProcess;

beforeAll(async () => {
  relay = await RelayProcess.start({
    directory: join(place.path, 'relay'),
    tls: { cert: served.certificatePem, key: served.keyPem },
    drop: join(place.path, 'drop-of-relay'),
  });
  await introduce(2, relay.url, trusted);
}, 60_000);

afterAll(async () => {
  await relay[Symbol.asyncDispose]();
  place[Symbol.dispose]();
});

/** Sends 64 markers into Bob's mailbox, asks Carol once and has a stream of hers return what it gets. */
async function talk(what: string, url: string, link: Partial<NodeLinkOptions>): Promise<void> {
  await using carol = await startAgent({ number: 3, url, link });
  await using alice = await startAgent({ number: 1, url, link });
  const [first = '', ...others] = markersOf(what);
  carol.client.serve(`echo-${what}`, async (stream) => {
    for (let bytes = await stream.receive(); bytes !== null; bytes = await stream.receive()) await stream.send(bytes);
    stream.end();
  });
  const sent = [first, ...others].map((marker) => alice.client.send(contactOf(2), Buffer.from(marker)));
  for (const { stored } of await Promise.all(sent)) await stored;
  const answer = await alice.client.request(contactOf(3), `echo-${what}`, Buffer.from(first));
  expect(Buffer.from(answer).toString()).toBe(first);
  const stream = alice.client.stream(contactOf(3), `echo-${what}`);
  await stream.send(Buffer.from(first));
  expect(Buffer.from((await stream.receive()) ?? []).toString()).toBe(first);
  stream.end();
}

/** Writes 64 markers from Alice to Dave (4), who is there and offers a session; how many of them were sealed in one. */
async function talkInSession(): Promise<number> {
  const pairs = createMemoryPairs();
  let inSession = 0;
  const counting = {
    ...pairs,
    save(changes: Parameters<typeof pairs.save>[0]) {
      inSession += changes.filter(({ kind, value }) => kind === 'kept' && value !== null).length;
      return pairs.save(changes);
    },
  };
  await using dave = await startAgent({ number: 4, url: relay.url, link: trusted, pairs: createMemoryPairs() });
  await dave.known;
  await using alice = await startAgent({ number: 1, url: relay.url, link: trusted, pairs: counting });
  alice.client.receive(async () => {});
  let received = 0;
  const all = Promise.withResolvers<void>();
  dave.client.receive(async () => {
    received += 1;
    if (received === 64) all.resolve();
  });
  for (const marker of markersOf('session')) {
    await (await alice.client.send(contactOf(4), Buffer.from(marker))).stored;
  }
  await all.promise;
  return inSession;
}

/** Talks through a box that opens TLS with an authority the agents trust; all that it sees. */
async function talkInspected(transport: TransportName): Promise<Buffer> {
  const seen: Uint8Array[] = [];
  await using box = await startBox(
    {
      rules: { http: { isHttp2: true } },
      target: { host: '127.0.0.1', port: relay.port, tls: { ca: authority.certificatePem } },
      tap: (bytes) => void seen.push(bytes),
    },
    dependencies,
  );
  const trust = { caPems: [box.authority?.certificatePem ?? ''], isExclusive: true };
  const url = `https://localhost:${box.port}`;
  await talk(transport, url, { trust, transports: [transport] });
  // Something that is not sealed, to show that the tap would have told.
  await fetchThrough(url, trust.caPems, tagOf(`${transport}-in-clear`));
  return Buffer.concat(seen);
}

function fetchThrough(url: string, ca: readonly string[], said: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const asking = request(`${url}/health`, { ca: [...ca], agent: false, method: 'POST' }, (answer) => {
      answer.resume();
      answer.on('end', resolve);
    });
    asking.on('error', reject);
    asking.end(said);
  });
}

describe('row 1: 64 markers that agents seal, to a mailbox, in requests and in streams', () => {
  it.each(transports)('are seen by nobody who opens the TLS of %s', async (transport) => {
    const seen = await talkInspected(transport);
    expect(seen.length).toBeGreaterThan(64 * 256);
    expect(holds(seen, formsOf(tagOf(transport)))).toBe(false);
    expect(holds(seen, formsOf(tagOf(`${transport}-in-clear`)))).toBe(true);
  });

  it('are sealed in a pair session too, once two write often', async () => {
    expect(await talkInSession()).toBeGreaterThan(32);
  });

  it('are seen by nobody who carries the files of a site without a network', async () => {
    const folder = join(place.path, 'drop-of-site');
    const carried: Buffer[] = [];
    const courier = startTicker(
      dependencies.clock,
      20,
      () => moveFiles(folder, join(place.path, 'drop-of-relay'), (bytes) => void carried.push(bytes)),
      () => {},
    );
    try {
      const agent = { transports: ['drop'], drop: { folder, lookMs: 20 } } as const;
      await talk('drop', 'https://localhost', agent);
    } finally {
      courier.stop();
    }
    const seen = Buffer.concat(carried);
    expect(seen.length).toBeGreaterThan(64 * 256);
    expect(holds(seen, formsOf(tagOf('drop')))).toBe(false);
  });

  it('are not in the log of the relay, at its most talkative, and nothing that names who wrote to whom', () => {
    const log = Buffer.from(relay.log.join(''));
    expect(log.length).toBeGreaterThan(0);
    expect(holds(log, [Buffer.from(drawn)])).toBe(false);
    for (const number of [1, 2, 3, 4]) {
      const { peerId, publicKey } = identityOf(number);
      const key = Buffer.from(publicKey);
      const names = [peerId, addressOfKey(publicKey), key.toString('hex'), key.toString('base64url')];
      for (const name of names) expect(log.includes(name)).toBe(false);
    }
  });

  it('are not on its disk, where what was sent without a seal is found', async () => {
    const disk = () => bytesOfFiles(join(place.path, 'relay'));
    for (const what of [...transports, 'drop', 'session']) expect(holds(disk(), formsOf(tagOf(what)))).toBe(false);
    await using alice = await startAgent({ number: 1, url: relay.url, link: trusted });
    await using bob = await startAgent({ number: 2, url: relay.url, link: trusted });
    const unsealed = Buffer.from(tagOf('unsealed'));
    await (await alice.client.raw.send([bob.client.address], unsealed)).stored;
    expect(holds(disk(), formsOf(tagOf('unsealed')))).toBe(true);
  });

  it.skipIf(!canReadMemory)('are not in its memory, where what was sent without a seal is found', async () => {
    const pid = relay.child.pid ?? 0;
    for (const what of [...transports, 'drop', 'session']) expect(memoryHolds(pid, formsOf(tagOf(what)))).toBe(false);
    await using alice = await startAgent({ number: 1, url: relay.url, link: trusted });
    await using carol = await startAgent({ number: 3, url: relay.url, link: trusted });
    const topic = inboxIdOf(new Uint8Array(16).fill(5));
    const heard = Promise.withResolvers<void>();
    using _subscription = carol.client.raw.subscribe(topic, () => heard.resolve());
    const publishing = startTicker(
      dependencies.clock,
      20,
      () => alice.client.raw.publish(topic, Buffer.from(tagOf('published'))),
      () => {},
    );
    await heard.promise;
    publishing.stop();
    expect(memoryHolds(pid, formsOf(tagOf('published')))).toBe(true);
  });

  it('are all opened by whom they are for', async () => {
    const expected = [...transports, 'drop'].flatMap(markersOf).sort();
    const opened: string[] = [];
    const all = Promise.withResolvers<void>();
    await using bob = await startAgent({ number: 2, url: relay.url, link: trusted });
    bob.client.receive(async ({ bytes }) => {
      opened.push(Buffer.from(bytes).toString());
      if (opened.length === expected.length) all.resolve();
    });
    await all.promise;
    expect(opened.sort()).toEqual(expected);
  });
});

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
