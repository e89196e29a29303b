import { multiaddr } from '@multiformats/multiaddr';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { isRelayed, parseRelayedAddress, relayedAddress } from './relayed-address.ts';

const relay = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA' as PeerId;
const peer = '12D3KooWAtp8AcKbMmzn17cYyRJPT3BDkQzjLvKaSCLvuCuXpHdy' as PeerId;

describe('a relayed address', () => {
  it('says the relay and the peer, in text and in bytes', () => {
    const address = multiaddr(`${relayedAddress(relay)}/p2p/${peer}`);
    expect(address.toString()).toBe(`/p2p/${relay}/p2p-circuit/p2p/${peer}`);
    expect(parseRelayedAddress(multiaddr(address.bytes))).toEqual({ relay, peer });
    expect(isRelayed(address)).toBe(true);
  });

  it.each([
    '/ip4/10.0.0.1/tcp/4001',
    `/p2p/${relay}/p2p-circuit`,
    `/p2p/${relay}/p2p/${peer}`,
    `/p2p/${relay}/p2p-circuit/p2p/${peer}/p2p/${peer}`,
    `/ip4/10.0.0.1/tcp/4001/p2p/${relay}/p2p-circuit/p2p/${peer}`,
    '/p2p-circuit',
  ])('is not %s', (text) => {
    expect(parseRelayedAddress(multiaddr(text))).toBeNull();
  });
});
