import { lookup } from 'node:dns/promises';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';
import { Condition } from '@pulsemesh/base';

/** A URL somebody else named leads where only we could go. */
export class UrlNotPublicError extends Condition {
  override readonly name = 'UrlNotPublicError';
  constructor(reason: 'not-a-url' | 'scheme' | 'credentials' | 'address' | 'name' | 'unresolved') {
    const texts = {
      'not-a-url': 'it is not a URL',
      scheme: 'only https: and wss: are followed',
      credentials: 'it carries a user name',
      address: 'it leads to an address inside this network',
      name: 'it names a host inside this network',
      unresolved: 'its name cannot be resolved',
    };
    super('url-not-public', `the URL is not used: ${texts[reason]}`, {
      facts: { reason },
      retryable: reason === 'unresolved',
    });
  }
}

export interface PublicUrlOptions {
  /** Lets addresses of the own network pass, for a relay that stands there. Metadata services never pass. Default false. */
  readonly allowPrivate?: boolean;
  /** All addresses of a name. Default: the system's resolver. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
}

/** A URL with the addresses its name had when it was judged: connect to these, not to the name, which may answer otherwise next time. */
export interface PinnedUrl {
  readonly url: URL;
  readonly addresses: readonly string[];
}

const urlCharactersMax = 2048;
const addressesMax = 16;

// IANA special-purpose registries (RFC 6890 and successors), and multicast.
const privateNetworks: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  '::1/128',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
];

// Where clouds hand out credentials to whoever asks from inside.
const metadataAddresses: readonly string[] = [
  '169.254.169.254/32',
  '169.254.170.2/32',
  '169.254.170.23/32',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
  'fd00:ec2::254/128',
  'fd00:ec2::23/128',
];

const privateList = blockList(privateNetworks);
const metadataList = blockList(metadataAddresses);

/**
 * Judges a URL that somebody else named (a relay on a contact card): https or wss, no credentials, and every address of its name on the
 * public internet (THREATS 37). Addresses written oddly (`127.1`, `0x7f000001`, `[::ffff:127.0.0.1]`, NAT64, 6to4) are judged by what
 * they mean.
 * @throws {UrlNotPublicError}
 */
export async function assertPublicUrl(text: string, options: PublicUrlOptions = {}): Promise<PinnedUrl> {
  if (text.length > urlCharactersMax || !URL.canParse(text)) throw new UrlNotPublicError('not-a-url');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'wss:') throw new UrlNotPublicError('scheme');
  if (url.username !== '' || url.password !== '') throw new UrlNotPublicError('credentials');
  // URL knows the special schemes only; wss is one, so that the host is in canonical form here: decimal and hex are gone.
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (host === '') throw new UrlNotPublicError('not-a-url');
  const allowPrivate = options.allowPrivate ?? false;
  if (isIP(host) === 0 && !allowPrivate && isInsideName(host)) throw new UrlNotPublicError('name');
  const addresses = isIP(host) !== 0 ? [host] : await resolveAll(host, options.resolve);
  for (const address of addresses) {
    if (!isAllowed(address, allowPrivate)) throw new UrlNotPublicError('address');
  }
  return { url, addresses };
}

/** Resolves the pinned URL's name to the addresses it was judged by, and no other name to anything. */
export function pinnedLookup({ url, addresses }: PinnedUrl): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  return (name, options, callback) => {
    const [first] = found;
    if (first === undefined || name.toLowerCase() !== url.hostname.toLowerCase()) {
      callback(Object.assign(new Error('not the pinned name'), { code: 'ENOTFOUND' }), '');
    } else if (options.all === true) callback(null, found);
    else callback(null, first.address, first.family);
  };
}

/** Whether an address may be connected to because somebody else named it. */
export function isAllowed(address: string, allowPrivate: boolean): boolean {
  const meant = meaningOf(address);
  if (meant === null) return false;
  const family = isIPv6(meant) ? 'ipv6' : 'ipv4';
  if (metadataList.check(meant, family)) return false;
  return allowPrivate || !privateList.check(meant, family);
}

function isInsideName(host: string): boolean {
  if (!host.includes('.')) return true;
  return /\.(?:localhost|local|internal|intranet|lan|home|corp|home\.arpa|localdomain|onion|test|invalid)$/.test(host);
}

async function resolveAll(host: string, resolve: PublicUrlOptions['resolve']): Promise<readonly string[]> {
  let addresses: readonly string[];
  try {
    addresses = await (resolve ?? resolveBySystem)(host);
  } catch {
    throw new UrlNotPublicError('unresolved');
  }
  if (addresses.length === 0 || addresses.length > addressesMax) throw new UrlNotPublicError('unresolved');
  return addresses;
}

async function resolveBySystem(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map((found) => found.address);
}

/** The IPv4 address inside an IPv6 one that only carries it, else the address itself; null: none. */
function meaningOf(address: string): string | null {
  const plain = address.replace(/%.*$/, '');
  if (isIP(plain) === 0) return null;
  if (!isIPv6(plain)) return plain;
  const groups = groupsOf(plain);
  const ipv4At = (index: number) => {
    const [high = 0, low = 0] = groups.slice(index, index + 2);
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  };
  const isZero = (from: number, to: number) => groups.slice(from, to).every((group) => group === 0);
  if (isZero(0, 5) && groups[5] === 0xffff) return ipv4At(6); // mapped
  if (isZero(0, 6) && (groups[6] ?? 0) !== 0) return ipv4At(6); // compatible
  if (isZero(0, 4) && groups[4] === 0xffff && groups[5] === 0) return ipv4At(6); // translated
  if (groups[0] === 0x64 && groups[1] === 0xff9b) return ipv4At(6); // NAT64
  if (groups[0] === 0x2002) return ipv4At(1); // 6to4
  return plain;
}

function groupsOf(address: string): number[] {
  // The URL parser writes IPv6 in one canonical form, dotted quads turned into groups.
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = '', tail = ''] = canonical.split('::');
  const parse = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [before, after] = [parse(head), parse(tail)];
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits = ''] = network.split('/');
    list.addSubnet(address, Number(bits), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  return list;
}
