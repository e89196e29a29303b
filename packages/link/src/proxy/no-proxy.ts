import { BlockList, isIP } from 'node:net';

/** Entries of NO_PROXY that are looked at; more are ignored. */
export const noProxyEntriesMax = 1000;

/**
 * Whether NO_PROXY lets this target go without the proxy. Entries are separated by commas or blanks, and there is no
 * standard, so what curl, Go and Python agree on is understood, and where they differ the broader reading is taken:
 * `*`; `example.org` and `.example.org` and `*.example.org` (the name and all below it); `10.0.0.0/8`, `fd00::/8`;
 * addresses, IPv6 with or without brackets; each with `:port` or without. Names compare without case, a dot at the end is ignored.
 */
export function isExcludedFromProxy(noProxy: string, host: string, port: number): boolean {
  const wanted = plainHost(host);
  const entries = noProxy
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .slice(0, noProxyEntriesMax);
  return entries.some((entry) => matches(entry, wanted, port));
}

function matches(entry: string, host: string, port: number): boolean {
  if (entry === '*') return true;
  const { pattern, onlyPort } = splitPort(entry);
  if (onlyPort !== undefined && onlyPort !== port) return false;
  if (pattern.includes('/')) return isInRange(pattern, host);
  if (isIP(pattern) !== 0) return isIP(host) !== 0 && isInRange(`${pattern}/${isIP(pattern) === 4 ? 32 : 128}`, host);
  const suffix = pattern.replace(/^\*?\./, '');
  if (suffix === '' || isIP(host) !== 0) return false;
  return host === suffix || host.endsWith(`.${suffix}`);
}

function splitPort(entry: string): { pattern: string; onlyPort: number | undefined } {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(entry);
  if (bracketed !== null) return { pattern: plainHost(bracketed[1] ?? ''), onlyPort: portOf(bracketed[2]) };
  // More than one colon and no brackets: an IPv6 address, not a port.
  const withPort = /^([^:]+):(\d{1,5})$/.exec(entry);
  if (withPort !== null) return { pattern: plainHost(withPort[1] ?? ''), onlyPort: portOf(withPort[2]) };
  return { pattern: plainHost(entry), onlyPort: undefined };
}

function portOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function isInRange(range: string, host: string): boolean {
  const family = isIP(host);
  const [network = '', bitsText = ''] = range.split('/');
  const rangeFamily = isIP(network);
  const bits = Number(bitsText);
  const bitsMax = rangeFamily === 4 ? 32 : 128;
  if (family === 0 || rangeFamily === 0 || !/^\d{1,3}$/.test(bitsText) || bits > bitsMax) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, rangeFamily === 4 ? 'ipv4' : 'ipv6');
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

function plainHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}
