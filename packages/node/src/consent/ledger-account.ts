import { hkdfSha256 } from '@pulsemesh/crypto';
import type { Identity } from '@pulsemesh/identity';
import { type PeerId, toHex } from '@pulsemesh/wire';
import type { Hex } from '../api/types.ts';

/** The private key of a node's own account on its ledger: made of the node's identity, and so protected and backed up with it. Secret. */
export function ledgerKeyOf({ nodeBoxKey }: Pick<Identity, 'nodeBoxKey'>): Hex {
  const bytes = hkdfSha256({ key: nodeBoxKey, info: 'pulsemesh/ledger-account/1', length: 32 });
  // Below the order of secp256k1, which begins with 32 ones, and not zero.
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  bytes[31] = (bytes[31] ?? 0) | 1;
  return `0x${toHex(bytes)}`;
}

/** The address of that account, lower case. Loads the ledger's libraries. */
export async function ledgerAccountOf(identity: Pick<Identity, 'nodeBoxKey'>): Promise<Hex> {
  const { createLocalSigner } = await import('@pulsemesh/ledger');
  return createLocalSigner(ledgerKeyOf(identity)).address.toLowerCase() as Hex;
}

/** Names a custodian's access log, as its office opens it. */
export function accessLogOrigin(peer: PeerId): string {
  return `pulsemesh-access/${peer}`;
}
