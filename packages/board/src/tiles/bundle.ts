import { assert } from '@pulsemesh/base';
import { MalformedError } from '../errors.ts';
import { tileWidth } from './path.ts';

/** Longest entry that its length of 16 bits can announce. */
const lengthMax = 0xffff;
const lengthBytes = 2;

/** An entry bundle: each entry after its length in 16 bits, big-endian (C2SP tlog-tiles); 1 … 256 entries. */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  assert(entries.length > 0 && entries.length <= tileWidth, 'a bundle has 1 … 256 entries');
  let bytes = 0;
  for (const entry of entries) {
    assert(entry.length <= lengthMax, 'an entry fits its length');
    bytes += lengthBytes + entry.length;
  }
  const bundle = new Uint8Array(bytes);
  let at = 0;
  for (const entry of entries) {
    bundle[at] = entry.length >> 8;
    bundle[at + 1] = entry.length & 0xff;
    bundle.set(entry, at + lengthBytes);
    at += lengthBytes + entry.length;
  }
  return bundle;
}

/** The entries of a bundle of `width` (1 … 256), as views into it. @throws {MalformedError} when it has more, fewer, or ends within one. */
export function decodeBundle(bundle: Uint8Array, width: number): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bundle.length) {
    if (entries.length === width) throw new MalformedError('bundle', 'more entries than announced');
    if (at + lengthBytes > bundle.length) throw new MalformedError('bundle', 'it ends within a length');
    const end = at + lengthBytes + (bundle[at] as number) * 256 + (bundle[at + 1] as number);
    if (end > bundle.length) throw new MalformedError('bundle', 'it ends within an entry');
    entries.push(bundle.subarray(at + lengthBytes, end));
    at = end;
  }
  if (entries.length !== width) throw new MalformedError('bundle', 'fewer entries than announced');
  return entries;
}
