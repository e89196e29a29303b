import { verifySignature } from '@pulsemesh/crypto';
import { concatBytes, DecodeError, ed25519KeyOf, encodeCbor, type PeerId } from '@pulsemesh/wire';
import { hashTypedData } from 'viem/utils';
import type { AccountBinding } from '../market/messages.ts';
import { AccountBindingRefusedError } from './errors.ts';
import type { Hex } from './offer.ts';
import { type SignatureVerdict, verifySignatureOf } from './verify-signature.ts';

/** What peer and account both sign. */
export type BindingStatement = Pick<AccountBinding, 'peer' | 'account' | 'issuedMs' | 'expiresMs'>;

/** Limits of a binding. */
export const bindingLimits = {
  /** A binding lasts at most so long, milliseconds. */
  lifetimeMsMax: 366 * 24 * 3600 * 1000,
  /** How far ahead of ours the clock of who issued it may be, milliseconds. */
  skewMsMax: 5 * 60 * 1000,
} as const;

// No chain and no contract: who a peer is does not depend on them.
const domain = { name: 'Pulsemesh AccountBinding', version: '1' } as const;
const types = {
  EIP712Domain: [
    { name: 'name', type: 'string' },
    { name: 'version', type: 'string' },
  ],
  AccountBinding: [
    { name: 'peer', type: 'string' },
    { name: 'account', type: 'address' },
    { name: 'issuedMs', type: 'uint64' },
    { name: 'expiresMs', type: 'uint64' },
  ],
} as const;
const kind = new TextEncoder().encode('pulsemesh/account-binding/1\0');

/** EIP-712 JSON of a binding: what a wallet is shown and asked to sign (`eth_signTypedData_v4`). */
export function bindingTypedData(statement: BindingStatement): string {
  return JSON.stringify({ domain, types, primaryType: 'AccountBinding', message: messageOf(statement) });
}

/** The digest that the account signs, 32 bytes. */
export function bindingDigestOf({ issuedMs, expiresMs, ...parties }: BindingStatement): Hex {
  const message = { peer: parties.peer, account: parties.account, issuedMs: BigInt(issuedMs) };
  return hashTypedData({
    domain,
    types: { AccountBinding: types.AccountBinding },
    primaryType: 'AccountBinding',
    message: { ...message, expiresMs: BigInt(expiresMs) },
  });
}

/** A binding out of both signatures; `sign` is the peer's Ed25519. */
export function createBinding(
  statement: BindingStatement,
  accountSignature: Hex,
  peer: { sign(message: Uint8Array): Uint8Array },
): AccountBinding {
  return { ...messageOf(statement), peerSignature: peer.sign(peerMessageOf(statement)), accountSignature };
}

/**
 * Whether peer and account both said that they are one, and the statement is of now. `valid`; or `ask-chain` where the account may be a
 * contract, whose signature the chain checks.
 * @throws {AccountBindingRefusedError}
 */
export async function verifyBinding(
  binding: AccountBinding,
  { nowMs }: { readonly nowMs: number },
): Promise<Exclude<SignatureVerdict, 'invalid'>> {
  const { issuedMs, expiresMs } = binding;
  if (!Number.isSafeInteger(issuedMs) || !Number.isSafeInteger(expiresMs) || issuedMs < 0)
    throw new AccountBindingRefusedError('malformed');
  if (expiresMs - issuedMs > bindingLimits.lifetimeMsMax) throw new AccountBindingRefusedError('too-long');
  if (issuedMs > nowMs + bindingLimits.skewMsMax) throw new AccountBindingRefusedError('not-yet');
  if (expiresMs <= nowMs) throw new AccountBindingRefusedError('expired');
  if (!/^0x[0-9a-f]{40}$/.test(binding.account)) throw new AccountBindingRefusedError('malformed');
  if (!verifySignature(keyOf(binding.peer), peerMessageOf(binding), binding.peerSignature))
    throw new AccountBindingRefusedError('peer-signature');
  const claim = { signer: binding.account, digest: bindingDigestOf(binding), signature: binding.accountSignature };
  const verdict = await verifySignatureOf(claim, { p256: null, webAuthn: null });
  if (verdict === 'invalid') throw new AccountBindingRefusedError('account-signature');
  return verdict;
}

function messageOf({ peer, account, issuedMs, expiresMs }: BindingStatement) {
  return { peer, account, issuedMs, expiresMs };
}

function peerMessageOf({ peer, account, issuedMs, expiresMs }: BindingStatement): Uint8Array {
  return concatBytes(kind, encodeCbor([peer, account, issuedMs, expiresMs]));
}

function keyOf(peer: PeerId): Uint8Array {
  try {
    const key = ed25519KeyOf(peer);
    if (key !== null) return key;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
  throw new AccountBindingRefusedError('malformed');
}
