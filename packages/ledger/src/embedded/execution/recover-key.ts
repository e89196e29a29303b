import { embeddedLimits } from '../limits.ts';
import { toHex } from '../state/hex.ts';
import { Recent } from '../state/recent.ts';
import { recoverWithWasm } from './recover-with-wasm.ts';

/** The uncompressed public key (64 bytes) behind a signature; throws where there is none. The shape the library asks for. */
export type RecoverKey = (hash: Uint8Array, v: bigint, r: Uint8Array, s: Uint8Array, chainId?: bigint) => Uint8Array;

/**
 * Recovery that remembers: a signature is looked at several times (an estimate, a call, the transaction, the ecrecover in it), and each
 * time costs as much as a good part of a purchase (1.4 ms in JavaScript, a fifth of that in WebAssembly). What is remembered is looked up by all that went in.
 */
export class RecoveredKeys {
  readonly #known = new Recent<Uint8Array>(embeddedLimits.recoveredMax);

  readonly recover: RecoverKey = (...input) => {
    const name = nameOf(...input);
    const found = this.#known.get(name);
    if (found !== undefined) return found;
    const key = recoverWithWasm(...input);
    this.#known.set(name, key);
    return key;
  };

  /** True where `recover` answers at once. */
  knows(...input: Parameters<RecoverKey>): boolean {
    return this.#known.get(nameOf(...input)) !== undefined;
  }

  /** Takes over what somebody else of this program recovered from the same input. */
  remember(key: Uint8Array, ...input: Parameters<RecoverKey>): void {
    this.#known.set(nameOf(...input), key);
  }
}

function nameOf(...[hash, v, r, s, chainId]: Parameters<RecoverKey>): string {
  return `${toHex(hash)}.${v}.${toHex(r)}.${toHex(s)}.${chainId ?? ''}`;
}
