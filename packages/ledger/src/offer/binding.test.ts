import { createSigner } from '@pulsemesh/crypto';
import { type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import fc from 'fast-check';
import { privateKeyToAccount } from 'viem/accounts';
import { describe, expect, it } from 'vitest';
import type { AccountBinding } from '../market/messages.ts';
import { bindingDigestOf, bindingLimits, bindingTypedData, createBinding, verifyBinding } from './binding.ts';
import { AccountBindingRefusedError, type BindingRefusal } from './errors.ts';
import { grantKeyOf } from './grant-key.ts';
import type { Hex } from './offer.ts';
import { accountSigner } from './signing.ts';

const nowMs = 1_700_000_000_000;
const identity = createSigner(new Uint8Array(32).fill(1));
const peer = peerIdOfEd25519(identity.publicKey);
const key = grantKeyOf(new Uint8Array(32).fill(2));
const statement = { peer, account: key.signer, issuedMs: nowMs, expiresMs: nowMs + 3_600_000 };

async function bind(changes: Partial<typeof statement> = {}): Promise<AccountBinding> {
  const some = { ...statement, ...changes };
  return createBinding(some, await accountSigner(key).sign(bindingDigestOf(some)), identity);
}

async function refusalOf(binding: AccountBinding, atMs = nowMs): Promise<BindingRefusal | null> {
  try {
    await verifyBinding(binding, { nowMs: atMs });
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(AccountBindingRefusedError);
    return (error as AccountBindingRefusedError).reason;
  }
}

describe('a binding of account and peer', () => {
  it('holds for both signatures, until it ends', async () => {
    const binding = await bind();
    expect(await verifyBinding(binding, { nowMs })).toBe('valid');
    expect(await refusalOf(binding, statement.expiresMs - 1)).toBeNull();
    expect(await refusalOf(binding, statement.expiresMs)).toBe('expired');
    expect(await refusalOf(binding, nowMs - bindingLimits.skewMsMax)).toBeNull();
    expect(await refusalOf(binding, nowMs - bindingLimits.skewMsMax - 1)).toBe('not-yet');
  });

  it('is signed by a wallet as the same typed data', async () => {
    const typed = JSON.parse(bindingTypedData(statement));
    const signature = await privateKeyToAccount(key.privateKey).signTypedData(typed);
    expect(await refusalOf(createBinding(statement, signature, identity))).toBeNull();
    expect(signature).toBe((await bind()).accountSignature);
  });

  it('is refused by every field that either signed', async () => {
    const binding = await bind();
    const other = peerIdOfEd25519(createSigner(new Uint8Array(32).fill(3)).publicKey);
    expect(await refusalOf({ ...binding, peer: other })).toBe('peer-signature');
    expect(await refusalOf({ ...binding, account: `0x${'aa'.repeat(20)}` })).toBe('peer-signature');
    expect(await refusalOf({ ...binding, issuedMs: nowMs - 1 })).toBe('peer-signature');
    expect(await refusalOf({ ...binding, expiresMs: binding.expiresMs + 1 })).toBe('peer-signature');
    expect(await refusalOf({ ...binding, peerSignature: binding.peerSignature.with(0, 0xff) })).toBe('peer-signature');
    const oversized: Hex = `0x${'ff'.repeat(10_000)}`;
    expect(await refusalOf({ ...binding, accountSignature: oversized })).toBe('account-signature');
  });

  it('of an account that may be a contract is for the chain to check', async () => {
    const binding = createBinding(statement, '0x1234', identity);
    expect(await verifyBinding(binding, { nowMs })).toBe('ask-chain');
    const borrowed = { ...statement, account: `0x${'bb'.repeat(20)}` as Hex };
    const own = await accountSigner(key).sign(bindingDigestOf(borrowed));
    expect(await verifyBinding(createBinding(borrowed, own, identity), { nowMs })).toBe('ask-chain');
  });

  it('lasts a year at most', async () => {
    const { lifetimeMsMax } = bindingLimits;
    expect(await refusalOf(await bind({ expiresMs: nowMs + lifetimeMsMax }))).toBeNull();
    expect(await refusalOf(await bind({ expiresMs: nowMs + lifetimeMsMax + 1 }))).toBe('too-long');
  });

  it('is refused for fields of another form', async () => {
    const binding = await bind();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string(), fc.constant('QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG')),
        async (name) => {
          expect(await refusalOf({ ...binding, peer: name as PeerId })).not.toBeNull();
          expect(await refusalOf({ ...binding, account: name as Hex })).toBe('malformed');
        },
      ),
    );
    expect(await refusalOf({ ...binding, issuedMs: Number.NaN })).toBe('malformed');
    expect(await refusalOf({ ...binding, expiresMs: 0.5 })).toBe('malformed');
  });
});
