import { createRandomOf, type Random } from '@pulsemesh/base';
import { hkdfSha256, hmacSha256 } from '@pulsemesh/crypto';

const blockBytes = 32;

/** The generator of one purpose under a scope's seed: HMAC-SHA-256 of a counter, under a key derived for the purpose. */
export function randomOfSeed(seed: Uint8Array, purpose: string): Random {
  const key = hkdfSha256({ key: seed, info: `pulsemesh/party/${purpose}`, length: 32 });
  const counter = new Uint8Array(8);
  const view = new DataView(counter.buffer);
  let blocks = 0;
  let block = new Uint8Array(0);
  let used = 0;
  return createRandomOf((length) => {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      if (used === block.length) {
        view.setUint32(0, Math.floor(blocks / 2 ** 32));
        view.setUint32(4, blocks >>> 0);
        block = new Uint8Array(hmacSha256(key, counter));
        blocks += 1;
        used = 0;
      }
      const part = Math.min(blockBytes - used, length - at);
      bytes.set(block.subarray(used, used + part), at);
      used += part;
      at += part;
    }
    return bytes;
  });
}
