import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createSystemRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityOfSeed } from '../identity.ts';
import { type EnvelopeSuite, openEnvelope, sealEnvelope } from './envelope.ts';
import type * as Envelopes from './index.ts';
import { acceptPairSession, startPairSession } from './pair-session.ts';

const random = createSystemRandom();
const clock = new VirtualClock();
const dependencies = { random, clock };
const alice = identityOfSeed(random.bytes(32));
const bob = identityOfSeed(random.bytes(32));
const card = { sealingKey: bob.sealing.publicKey, hybridKey: bob.sealing.hybrid.publicKey };
const content = new TextEncoder().encode('72 bpm');
const suites: readonly EnvelopeSuite[] = ['x25519', 'hybrid'];
const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-browser-envelopes-'));
let page: typeof Envelopes;

// The bundle a page gets, over noble; run here, since nothing in it asks where it runs.
beforeAll(async () => {
  const input = fileURLToPath(new URL('./index.ts', import.meta.url));
  await using bundle = await rolldown({ input, platform: 'browser', logLevel: 'silent' });
  const file = join(directory, 'page.mjs');
  const { output } = await bundle.write({ file });
  expect(output.flatMap((part) => (part.type === 'chunk' ? part.imports : []))).toEqual([]);
  page = await import(/* @vite-ignore */ pathToFileURL(file).href);
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('a page', () => {
  it.each(suites)('opens what a server sealed, and the other way round (%s)', (suite) => {
    const input = { from: alice, to: card, content, context: 'mail', suite };
    const opening = { to: bob, context: 'mail' };
    expect(page.sealEnvelope).not.toBe(sealEnvelope);
    expect(page.openEnvelope(sealEnvelope(input, dependencies), opening).content).toEqual(content);
    expect(openEnvelope(page.sealEnvelope(input, dependencies), opening).from).toBe(alice.peerId);
  });

  it('holds one end of a pair session', () => {
    const { session, handshake } = page.startPairSession({ from: alice, to: card }, dependencies);
    const other = acceptPairSession(handshake, { to: bob }, dependencies).session;
    for (let round = 0; round < 3; round += 1) {
      expect(other.open(session.seal([content]))).toEqual([content]);
      expect(session.open(other.seal([content]))).toEqual([content]);
    }
    const ours = startPairSession({ from: alice, to: card }, dependencies);
    const theirs = page.acceptPairSession(ours.handshake, { to: bob }, dependencies).session;
    expect(theirs.open(ours.session.seal([content]))).toEqual([content]);
  });
});
