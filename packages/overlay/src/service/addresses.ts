import { descriptorLimits } from '../descriptor.ts';

/**
 * What a descriptor tells of the addresses a libp2p node has: at most four, without the peer id, the ones reachable from
 * farthest first. Loopback ones only where there are no others: a network on one machine.
 */
export function descriptorAddresses(multiaddrs: readonly { toString(): string }[]): string[] {
  const all = multiaddrs.map((address) => address.toString().replace(/\/p2p\/[^/]+$/, ''));
  const fitting = [...new Set(all)].filter((address) => address.length <= descriptorLimits.addressBytesMax);
  const distant = fitting.filter((address) => !isLoopback(address));
  const direct = distant.filter((address) => !address.includes('/p2p-circuit'));
  const relayed = distant.filter((address) => address.includes('/p2p-circuit'));
  const best = distant.length > 0 ? [...direct, ...relayed] : fitting;
  return best.slice(0, descriptorLimits.addressesMax);
}

function isLoopback(address: string): boolean {
  return address.startsWith('/ip4/127.') || address.startsWith('/ip6/::1/');
}
