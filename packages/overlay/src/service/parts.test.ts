import { createSeededRandom } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { descriptorAddresses } from './addresses.ts';
import { DialMemory, dialLimits } from './dial-memory.ts';
import { Pace, PeerPaces, paceLimits } from './pace.ts';
import type { Message } from './pub-sub.ts';
import { Validations, type Verdict, validationsPendingMax } from './validations.ts';

const peer = (name: string) => name as PeerId;

describe('the addresses a descriptor tells', () => {
  const self = '/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA';

  it('are without the peer id, loopback only where there are no others', () => {
    expect(descriptorAddresses([`/ip4/127.0.0.1/tcp/1${self}`])).toEqual(['/ip4/127.0.0.1/tcp/1']);
    const mixed = [`/ip4/127.0.0.1/tcp/1${self}`, `/ip4/192.0.2.1/tcp/1${self}`, `/ip6/::1/tcp/1${self}`];
    expect(descriptorAddresses(mixed)).toEqual(['/ip4/192.0.2.1/tcp/1']);
  });

  it('name relays last, leave out what is too long, and are four at most', () => {
    const relayed = `/ip4/192.0.2.9/tcp/1/p2p/12D3KooWRelay/p2p-circuit${self}`;
    const long = `/dns4/${'a'.repeat(200)}/tcp/1`;
    expect(descriptorAddresses([relayed, long, '/ip4/192.0.2.1/tcp/1'])).toEqual([
      '/ip4/192.0.2.1/tcp/1',
      '/ip4/192.0.2.9/tcp/1/p2p/12D3KooWRelay/p2p-circuit',
    ]);
    expect(descriptorAddresses([1, 2, 3, 4, 5].map((port) => `/ip4/192.0.2.1/tcp/${port}`))).toHaveLength(4);
    expect(descriptorAddresses([])).toEqual([]);
  });
});

describe('the memory of failed dials', () => {
  it('waits twice as long after each failure, up to a limit, and forgets them with a success', () => {
    const memory = new DialMemory(createSeededRandom(1));
    const one = peer('one');
    expect(memory.mayDial(one, 0)).toBe(true);
    memory.failed(one, 0);
    expect(memory.mayDial(one, dialLimits.firstWaitMs * 0.7)).toBe(false);
    expect(memory.mayDial(one, dialLimits.firstWaitMs * 1.25)).toBe(true);
    memory.failed(one, 0);
    expect(memory.mayDial(one, dialLimits.firstWaitMs * 1.4)).toBe(false);
    for (let count = 0; count < 60; count += 1) memory.failed(one, 0);
    expect(memory.mayDial(one, dialLimits.waitMsMax * 0.7)).toBe(false);
    expect(memory.mayDial(one, dialLimits.waitMsMax * 1.25)).toBe(true);
    memory.succeeded(one);
    expect(memory.mayDial(one, 0)).toBe(true);
  });

  it('remembers so many peers and forgets the one that failed longest ago', () => {
    const memory = new DialMemory(createSeededRandom(1));
    for (let index = 0; index <= dialLimits.peersMax; index += 1) memory.failed(peer(`peer ${index}`), 0);
    expect(memory.mayDial(peer('peer 0'), 0)).toBe(true);
    expect(memory.mayDial(peer('peer 1'), 0)).toBe(false);
  });
});

describe('the pace of a peer', () => {
  it('lets a burst pass and then holds back for what is too much', () => {
    for (const limits of [paceLimits.events, paceLimits.signatures]) {
      const pace = new Pace(limits, 0);
      expect(pace.take(limits.burstMax, 0)).toBe(0);
      expect(pace.take(limits.perSecondMax, 0)).toBe(1_000);
      expect(pace.take(0, 1_000)).toBe(0);
      expect(pace.take(limits.burstMax, 3_000_000)).toBe(0);
      expect(pace.take(1, 3_000_000)).toBeGreaterThan(0);
    }
  });
});

describe('the paces of peers', () => {
  it('hold for all streams and connections of a peer, until it is paid', () => {
    const paces = new PeerPaces(2);
    const [flooder, other, third] = [peer('flooder'), peer('other'), peer('third')];
    const { burstMax, perSecondMax } = paceLimits.signatures;
    expect(paces.take(flooder, { events: 0, signatures: 0 }, 0)).toBe(0);
    expect(paces.take(flooder, { events: 0, signatures: burstMax + perSecondMax }, 0)).toBe(1_000);
    expect(paces.take(other, { events: 1, signatures: 1 }, 0)).toBe(0);
    // A new stream, or connection, takes nothing and asks.
    expect(paces.take(flooder, { events: 0, signatures: 0 }, 400)).toBe(600);
    expect(paces.take(flooder, { events: 0, signatures: 1 }, 1_000)).toBe(1_000 / perSecondMax);
    expect(paces.take(third, { events: 1, signatures: 0 }, 1_000)).toBe(0);
    expect(paces.take(flooder, { events: 0, signatures: 0 }, 1_000)).toBeGreaterThan(0);
  });
});

describe('validators', () => {
  const from = {} as Parameters<Parameters<Validations['ask']>[0]>[0]; // not looked at here
  const message: Message = { type: 'unsigned', topic: 'a', data: new Uint8Array(0) };
  const ask = (validations: Validations, validator: () => unknown): Promise<Verdict> =>
    new Promise((resolve) => validations.ask(validator, from, message, resolve));

  it('are believed at once and later, and ignored where they throw or say something else', async () => {
    const validations = new Validations();
    const throwing = () => {
      throw new Error('no');
    };
    expect(await ask(validations, () => 'accept')).toBe('accept');
    expect(await ask(validations, () => 'reject')).toBe('reject');
    expect(await ask(validations, async () => 'accept')).toBe('accept');
    expect(await ask(validations, async () => throwing())).toBe('ignore');
    expect(await ask(validations, throwing)).toBe('ignore');
    expect(await ask(validations, () => true)).toBe('ignore');
    expect(await ask(validations, () => undefined)).toBe('ignore');
  });

  it('are asked about so many messages at once, and about no more', async () => {
    const validations = new Validations();
    const go = Promise.withResolvers<string>();
    const asked = Array.from({ length: validationsPendingMax }, () => ask(validations, () => go.promise));
    expect(await ask(validations, () => 'accept')).toBe('overflow');
    go.resolve('accept');
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['accept']));
    expect(await ask(validations, () => 'accept')).toBe('accept');
  });
});
