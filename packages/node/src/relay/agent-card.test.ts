import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrometheusMeter, createSeededRandom, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createCard, identityOfSeed, readCardFile, writeCardFile } from '@pulsemesh/identity';
import { createMemoryInboxState, inboxIdOfToken } from '@pulsemesh/relay/client';
import { toHex } from '@pulsemesh/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentCardTiming, agentInboxes, CardKeeper } from './agent-card.ts';

const hourMs = 3_600_000;
const weekMs = 7 * 24 * hourMs;
const random = createSeededRandom(3);
const identity = identityOfSeed(random.bytes(32));
const rotated = identityOfSeed(random.bytes(32));
const relay = { url: 'https://relay.example', peerId: identityOfSeed(random.bytes(32)).peerId };

let file: string;
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pulsemesh-card-'));
  file = join(directory, 'contact.card');
});
afterEach(() => rm(directory, { recursive: true, maxRetries: 5 }));

function keeper() {
  const clock = new VirtualClock();
  const deps = { clock, random, logger: silentLogger, meter: createPrometheusMeter() };
  const live = { current: identity };
  const state = createMemoryInboxState();
  return { clock, live, state, card: new CardKeeper({ file, relay, identity: live }, state, deps) };
}

/** A relay that says yes to some claims. */
function confirm({ card }: Pick<ReturnType<typeof keeper>, 'card'>, accepts: (index: number) => boolean = () => true) {
  const confirmed = new Set<string>();
  return {
    addInboxes(tokens: readonly { readonly token: Uint8Array }[]) {
      for (const [index, { token }] of tokens.entries()) {
        const inbox = inboxIdOfToken(token);
        if (!accepts(index) || confirmed.has(inbox)) continue;
        confirmed.add(inbox);
        void card.inboxState.savePosition({ relay: relay.peerId, inbox, epoch: '00', offset: 0 });
      }
    },
  };
}

describe('the inboxes of an agent', () => {
  it('are those of the coming weeks in the card, and the past two are still read', () => {
    const nowMs = 3_000 * weekMs + 5;
    const { tokens, listed } = agentInboxes(identity, nowMs);
    expect(listed).toHaveLength(agentCardTiming.weeksListed);
    expect(listed[0]?.fromMs).toBe(3_000 * weekMs);
    const read = tokens.map(({ token }) => inboxIdOfToken(token));
    expect(read.slice(2)).toEqual(listed.map(({ inbox }) => inbox));
    // A message of a week's last moment is kept for two weeks more.
    expect(tokens[0]?.untilMs).toBe(2_998 * weekMs + 3 * weekMs);
    expect(agentInboxes(identity, nowMs + weekMs).listed[0]).toEqual(listed[1]);
    expect(agentInboxes(rotated, nowMs).listed[0]?.inbox).not.toBe(listed[0]?.inbox);
  });
});

describe('an agent’s card', () => {
  it('names no inbox before all are claimed', async () => {
    const world = keeper();
    await using card = world.card;
    card.claimWith(confirm(world, (index) => index !== 3));
    await world.clock.advance(hourMs);
    expect(await readCardFile(file)).toBeNull();
    card.claimWith(confirm(world));
    await card.current;
    const made = await readCardFile(file);
    const { listed } = agentInboxes(identity, world.clock.now());
    expect(made?.inboxes.map(({ id }) => toHex(id))).toEqual(listed.map(({ inbox }) => inbox));
    expect(made).toMatchObject({ peerId: identity.peerId, relays: [relay] });
  });

  it('stays for a week, and is replaced long before it runs out, with all that a person wrote into it', async () => {
    const world = keeper();
    {
      await using card = world.card;
      card.claimWith(confirm(world));
      await card.current;
    }
    const first = await readCardFile(file);
    const written = { name: 'Dr. Toni Berg', organisation: 'Clinic of the Hill', deviceListHash: random.bytes(32) };
    const inboxes = first?.inboxes ?? [];
    const named = createCard(identity, { ...written, relays: [relay], inboxes, previous: first }, world);
    await writeCardFile(file, named, { random });
    const next = keeper();
    await using card = next.card;
    card.claimWith(confirm(next));
    await card.current;
    await next.clock.advance(2 * hourMs);
    expect((await readCardFile(file))?.bytes).toEqual(named.bytes);
    await next.clock.advance(weekMs + hourMs);
    card.look();
    await card[Symbol.asyncDispose]();
    const second = await readCardFile(file);
    expect(second?.version).toBeGreaterThan(named.version);
    expect(second?.expiresMs).toBeGreaterThan(named.expiresMs);
    expect(second).toMatchObject(written);
    // One that says much has room for fewer weeks.
    expect(second?.inboxes.at(-1)?.untilMs).toBeGreaterThan(next.clock.now() + 3 * weekMs);
  });

  it('is made anew for another key, and for another relay', async () => {
    const world = keeper();
    {
      await using card = world.card;
      card.claimWith(confirm(world));
      await card.current;
    }
    const other = keeper();
    other.live.current = rotated;
    await using card = other.card;
    card.claimWith(confirm(other));
    await card.current;
    expect((await readCardFile(file))?.peerId).toBe(rotated.peerId);
  });
});
