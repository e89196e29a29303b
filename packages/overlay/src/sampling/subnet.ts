/** What stands for the subnet of addresses that name no IP: those of clients, which have none, and of DNS names. */
export const noSubnet = 'none';

/**
 * The subnets of multiaddrs, each once: /24 of IPv4 (`4/203.0.113`), /48 of IPv6 (`6/2001:db8:7`). Who holds many peer
 * ids seldom holds many subnets. {@link noSubnet} where no address names an IP.
 */
export function subnetsOf(addresses: readonly string[]): readonly string[] {
  let subnets = known.get(addresses);
  if (subnets === undefined) {
    subnets = findSubnets(addresses);
    known.set(addresses, subnets);
  }
  return subnets;
}

/** The lists of descriptors do not change, and are asked for again and again. */
const known = new WeakMap<readonly string[], readonly string[]>();

function findSubnets(addresses: readonly string[]): readonly string[] {
  const found = new Set<string>();
  for (const address of addresses) {
    const [, protocol, host] = address.split('/', 3);
    const subnet = host === undefined ? undefined : subnetOf(protocol, host);
    if (subnet !== undefined) found.add(subnet);
  }
  return found.size === 0 ? [noSubnet] : [...found];
}

function subnetOf(protocol: string | undefined, host: string): string | undefined {
  if (protocol === 'ip4') return `4/${host.split('.', 3).map(Number).join('.')}`;
  if (protocol === 'ip6') return ip6Subnet(host);
  return undefined;
}

function ip6Subnet(host: string): string {
  const [head = '', tail] = host.toLowerCase().split('%', 1).join('').split('::', 2);
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  // An IPv4 tail (::ffff:203.0.113.7) stands for two groups, and only its subnet tells networks apart.
  const last = after.at(-1) ?? before.at(-1) ?? '';
  if (last.includes('.')) return `4/${last.split('.', 3).map(Number).join('.')}`;
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...new Array<string>(zeros).fill('0'), ...after];
  return `6/${groups
    .slice(0, 3)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}`;
}
