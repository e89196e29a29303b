import type { LanNetwork } from './lan-networks.ts';
import type { Family, Spot } from './lan-peer.ts';

/** What this node listens on, as multiaddrs. */
export interface Listening {
  /** As bound: with ports, wildcards written out (but for link-local addresses). */
  readonly bound: readonly string[];
  /** As asked for. */
  readonly asked: readonly string[];
}

/** The TCP port at which this node can be dialled on a network; none where it listens elsewhere only. */
export function portOn(network: LanNetwork, { bound, asked }: Listening): number | undefined {
  const all = bound.flatMap((address) => parseTcp(address) ?? []).filter(({ family }) => family === network.family);
  const exact = all.find(({ address }) => address === network.address);
  if (exact !== undefined) return exact.port;
  const wanted = asked.flatMap((address) => parseTcp(address) ?? []).filter(({ family }) => family === network.family);
  if (!wanted.some(({ address }) => address === wildcard[network.family])) return undefined;
  const others = new Set(wanted.map(({ address }) => address));
  return all.find(({ address }) => !others.has(address))?.port;
}

/** The multiaddr of a place on a network; link-local addresses name their link. */
export function multiaddrOf({ family, address, port }: Spot, { zone }: LanNetwork): string {
  const isOfLink = family === 'ip6' && /^fe80:/i.test(address);
  return `${isOfLink ? `/ip6zone/${zone}` : ''}/${family}/${address}/tcp/${port}`;
}

/** Host and port of a plain TCP multiaddr, null for any other. */
export function parseTcp(multiaddr: string): Spot | null {
  const found = /^(?:\/ip6zone\/[^/]+)?\/(ip4|ip6)\/([^/]+)\/tcp\/(\d+)(?:\/p2p\/[^/]+)?$/.exec(multiaddr);
  if (found === null) return null;
  const [, family, address = '', port] = found;
  return { family: family as Family, address, port: Number(port) }; // the pattern has no other family
}

const wildcard = { ip4: '0.0.0.0', ip6: '::' } as const;
