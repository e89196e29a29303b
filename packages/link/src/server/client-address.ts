import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import { Condition } from '@pulsemesh/base';

/** A trusted proxy that is not an address or a network. Not retryable. */
export class TrustedProxyError extends Condition {
  override readonly name = 'TrustedProxyError';
  constructor(position: number) {
    super('trusted-proxy', 'a trusted proxy is an address or a network such as 10.0.0.0/8', { facts: { position } });
  }
}

/** Entries of X-Forwarded-For looked at, from the end. */
const forwardedMax = 16;

/** Whose requests count as coming from somebody else, and from whom. */
export interface AddressJudge {
  isTrustedProxy(address: string): boolean;
  /**
   * The address limits are counted by: of the connection, unless that is a trusted proxy; then the last entry of X-Forwarded-For that
   * is not one too. Anything else in that header is made up by whoever sent it, and ignored.
   */
  clientAddress(connectionAddress: string, forwardedFor: string | undefined): string;
}

/** @throws {TrustedProxyError} */
export function createAddressJudge(trustedProxies: readonly string[]): AddressJudge {
  const trusted = new BlockList();
  trustedProxies.forEach((entry, position) => {
    const [address = '', prefix, ...rest] = entry.split('/');
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    const bits = prefix === undefined ? (family === 'ipv4' ? 32 : 128) : Number(prefix);
    const isSound = isIP(address) !== 0 && rest.length === 0 && Number.isInteger(bits) && bits >= 0;
    if (!isSound || prefix === '' || bits > (family === 'ipv4' ? 32 : 128)) throw new TrustedProxyError(position);
    trusted.addSubnet(address, bits, family);
  });
  const isTrustedProxy = (address: string) =>
    trustedProxies.length > 0 && isIP(address) !== 0 && trusted.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
  return {
    isTrustedProxy,
    clientAddress(connectionAddress, forwardedFor) {
      if (forwardedFor === undefined || !isTrustedProxy(connectionAddress)) return connectionAddress;
      const entries = forwardedFor.split(',').slice(-forwardedMax).reverse();
      let nearest = connectionAddress;
      for (const entry of entries) {
        const address = plainAddress(entry.trim());
        if (isIP(address) === 0) break;
        nearest = address;
        if (!isTrustedProxy(address)) break;
      }
      return nearest;
    },
  };
}

/** An address in one form: IPv4 in IPv6 is written as IPv4. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && isIPv4(address.slice(7)) ? address.slice(7) : address;
}

/** What limits by address count by: an IPv4 address, or the /64 of an IPv6 one, all of which one household or ward holds. */
export function limitKey(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = (address.split('%', 1)[0] ?? '').split('::');
  const groups = head === '' ? [] : head.split(':');
  const tailGroups = tail === undefined || tail === '' ? [] : tail.split(':');
  while (tail !== undefined && groups.length + tailGroups.length < 8) groups.push('0');
  return [...groups, ...tailGroups]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
