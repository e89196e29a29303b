import { BlockList, isIP } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import type { Family } from './lan-peer.ts';

/** One address of this machine on a local network. */
export interface LanNetwork {
  /** The interface: `eth0`. */
  readonly name: string;
  readonly family: Family;
  /** Ours, without a zone. */
  readonly address: string;
  /** What link-local addresses of IPv6 carry after a `%`: the interface's name, on Windows its number. */
  readonly zone: string;
  /** The network in CIDR notation: `192.0.2.0/24`. */
  readonly cidr: string;
}

/** What the system tells of its interfaces (`os.networkInterfaces`). */
export type SystemInterfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/**
 * The local networks that hellos are said and heard on: of each interface its first IPv4 address, and its link-local one of
 * IPv6, since the group of IPv6 is link-local. Loopback is none, unless wanted: for tests on one machine.
 */
export function lanNetworks(interfaces: SystemInterfaces, isLoopback = false): LanNetwork[] {
  return Object.entries(interfaces).flatMap(([name, addresses = []]) => {
    const usable = addresses.filter(({ internal, cidr }) => internal === isLoopback && cidr !== null);
    const four = usable.find(({ family }) => family === 'IPv4');
    const six = usable.find(({ family, address }) => family === 'IPv6' && isOfLink(address, isLoopback));
    return [
      ...(four === undefined ? [] : [networkOf(name, 'ip4', four)]),
      ...(six === undefined ? [] : [networkOf(name, 'ip6', six)]),
    ];
  });
}

/** Tells whether addresses are on one network: hellos from elsewhere are none of a neighbour's. */
export function createOnLink({ cidr, family }: LanNetwork): (address: string) => boolean {
  const list = new BlockList();
  const [base = '', prefix = ''] = cidr.split('/');
  const type = family === 'ip4' ? 'ipv4' : 'ipv6';
  list.addSubnet(base, Number(prefix), type);
  return (address) => list.check(address, type);
}

/**
 * Tells the networks that are named by their interface (`eth0`), or hold our address (`192.0.2.0/24`, `fe80::/10`).
 * @throws RangeError for what is neither.
 */
export function createIsNamed(names: readonly string[]): (network: LanNetwork) => boolean {
  const interfaces = new Set<string>();
  const ranges = new BlockList();
  for (const name of names) {
    const [base = '', prefix] = name.split('/');
    const family = isIP(base);
    if (family === 0 && prefix === undefined && name !== '') interfaces.add(name);
    else if (
      family !== 0 &&
      prefix !== undefined &&
      /^\d{1,3}$/.test(prefix) &&
      Number(prefix) <= (family === 4 ? 32 : 128)
    )
      ranges.addSubnet(base, Number(prefix), family === 4 ? 'ipv4' : 'ipv6');
    else throw new RangeError(`"${name}" is neither the name of an interface nor a network like 192.0.2.0/24`);
  }
  return ({ name, family, address }) =>
    interfaces.has(name) || ranges.check(address, family === 'ip4' ? 'ipv4' : 'ipv6');
}

/** An address without its zone, and the zone. */
export function splitZone(address: string): readonly [address: string, zone: string | undefined] {
  const at = address.indexOf('%');
  return at < 0 ? [address, undefined] : [address.slice(0, at), address.slice(at + 1)];
}

function networkOf(name: string, family: Family, info: NetworkInterfaceInfo): LanNetwork {
  const { address, cidr } = info;
  const zone = process.platform === 'win32' && info.family === 'IPv6' ? String(info.scopeid) : name;
  return { name, family, zone, address: splitZone(address)[0], cidr: splitPrefix(cidr ?? address) };
}

// Some systems tell the zone within the CIDR notation: fe80::1%en0/64.
function splitPrefix(cidr: string): string {
  return cidr.replace(/%[^/]*/, '');
}

function isOfLink(address: string, isLoopback: boolean): boolean {
  return isLoopback ? address === '::1' : address.toLowerCase().startsWith('fe80:');
}
