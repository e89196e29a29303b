import { ecrecover } from '@ethereumjs/util';
import { embeddedLimits } from '../limits.ts';
import { toHex } from '../state/hex.ts';
import { Recent } from '../state/recent.ts';

/** The uncompressed public key (64 bytes) behind a signature; throws where there is none. The shape the library asks for. */
export type RecoverKey = (hash: Uint8Array, v: bigint, r: Uint8Array, s: Uint8Array, chainId?: bigint) => Uint8Array;

/**
 * Recovery that remembers: a signature is looked at several times (an estimate, a call, the transaction, the ecrecover in it), and each
 * time costs 1.4 ms in JavaScript, a third of a purchase. What is remembered is looked up by all that went in.
 */
export function createRecoverKey(): RecoverKey {
  const known = new Recent<Uint8Array>(embeddedLimits.recoveredMax);
  return (hash, v, r, s, chainId) => {
    const asked = `${toHex(hash)}.${v}.${toHex(r)}.${toHex(s)}.${chainId ?? ''}`;
    const found = known.get(asked);
    if (found !== undefined) return found;
    const key = ecrecover(hash, v, r, s, chainId);
    known.set(asked, key);
    return key;
  };
}
