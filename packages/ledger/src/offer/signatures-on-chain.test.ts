import { createPublicClient, decodeFunctionResult, encodeFunctionData, http, parseAbi } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consentLedgerAbi, deployments, domainOf, offerIdOf, purseOf } from '../contract/index.ts';
import { type Anvil, startAnvil } from '../testing/anvil.ts';
import { type AnswerChanges, SoftPasskey } from '../testing/soft-passkey.ts';
import { offerOf } from './draft.ts';
import { grantKeyOf } from './grant-key.ts';
import type { Hex } from './offer.ts';
import { encodePasskeySignature, partsOf, passkeySignature } from './passkey-signature.ts';
import { keySignerOf, p256Signer } from './signing.ts';
import { type SignatureVerifiers, verifySignatureOf } from './verify-signature.ts';

const verifierAbi = parseAbi(['function verify(bytes key, bytes32 hash, bytes signature) view returns (bytes4)']);
const magic = '0x024ad318'; // IERC7913SignatureVerifier.verify
const digest: Hex = `0x${'d3'.repeat(32)}`;
const passkey = new SoftPasskey();

let anvil: Anvil;
let ledger: Hex;
let verifiers: SignatureVerifiers & { readonly p256: Hex; readonly webAuthn: Hex };

beforeAll(async () => {
  anvil = await startAnvil();
  const [ledgerPlace, p256, webAuthn] = [await deploy(0), await deploy(1), await deploy(2)];
  ledger = ledgerPlace;
  verifiers = { p256, webAuthn };
});
afterAll(() => anvil[Symbol.asyncDispose]());

async function deploy(index: number): Promise<Hex> {
  const [from] = (await anvil.ask('eth_accounts')) as Hex[];
  const { data } = deployments[index] ?? { data: '0x' };
  const hash = (await anvil.ask('eth_sendTransaction', [{ from, data, gas: '0x4c4b40' }])) as Hex;
  const reader = createPublicClient({ transport: http(anvil.url), pollingInterval: 20 });
  const { contractAddress } = await reader.waitForTransactionReceipt({ hash, timeout: 60_000 });
  return (contractAddress ?? '0x').toLowerCase() as Hex;
}

/** What the deployed verifier says; a revert is a no. */
async function isValidOnChain(signer: Hex, signature: Hex): Promise<boolean> {
  const key: Hex = `0x${signer.slice(42)}`;
  const data = encodeFunctionData({ abi: verifierAbi, functionName: 'verify', args: [key, digest, signature] });
  try {
    const answer = (await anvil.ask('eth_call', [{ to: signer.slice(0, 42), data }, 'latest'])) as string;
    return answer.startsWith(magic);
  } catch {
    return false;
  }
}

describe('signatures, here and on the chain', () => {
  it('offers and purses have the names that the contract gives them', async () => {
    const { signer } = grantKeyOf(new Uint8Array(32).fill(1));
    const word: Hex = `0x${'7e'.repeat(32)}`;
    const parties = { buyer: signer, custodian: ledger, arbiter: signer, token: ledger };
    const windows = { validUntil: 1_900_000_000, deliverWithin: 3600, accessFor: 86_400 };
    const offer = offerOf({ ...parties, ...windows, price: 2n ** 96n - 1n, terms: word, nonce: word }, signer);
    const ask = async (functionName: 'offerId' | 'purseOf', args: readonly unknown[]) => {
      const data = encodeFunctionData({ abi: consentLedgerAbi, functionName, args: args as never });
      const answer = (await anvil.ask('eth_call', [{ to: ledger, data }, 'latest'])) as Hex;
      return decodeFunctionResult({ abi: consentLedgerAbi, functionName, data: answer });
    };
    expect(await ask('offerId', [offer])).toBe(offerIdOf(offer, domainOf(anvil.chainId, ledger)));
    expect(await ask('purseOf', [signer])).toBe(purseOf(signer));
  });

  it('a P-256 key’s is valid on both sides, and changed on neither', async () => {
    const card = p256Signer(new Uint8Array(32).fill(7), verifiers.p256);
    const signature = await card.sign(digest);
    const flipped: Hex = `0x${signature[2] === '0' ? '1' : '0'}${signature.slice(3)}`;
    for (const [given, expected] of [
      [signature, true],
      [flipped, false],
      ['0x', false],
    ] as const) {
      expect(await isValidOnChain(card.signer, given)).toBe(expected);
      const verdict = await verifySignatureOf({ signer: card.signer, digest, signature: given }, verifiers);
      expect(verdict === 'valid').toBe(expected);
    }
  });

  it.each<[string, boolean, AnswerChanges]>([
    ['as it should be', true, {}],
    ['with extensions and a backup', true, { flags: 0x9d, extensions: Uint8Array.of(0xa0) }],
    ['from any origin: that is for the home to check', true, { clientData: { origin: 'https://other.example' } }],
    ['with more client data, in UTF-8', true, { clientData: { note: 'ünïcödé 😀' } }],
    ['with nobody there', false, { flags: 0x04 }],
    ['with nobody recognised', false, { flags: 0x01 }],
    ['with a backup of what cannot be copied', false, { flags: 0x15 }],
    ['over another challenge', false, { clientData: { challenge: 'AAAA' } }],
  ])('a passkey’s: %s', async (_what, expected, changes) => {
    const signer = keySignerOf(verifiers.webAuthn, passkey.publicKey);
    const signature = passkeySignature(passkey.answer(digest, changes));
    expect(await isValidOnChain(signer, signature)).toBe(expected);
    expect((await verifySignatureOf({ signer, digest, signature }, verifiers)) === 'valid').toBe(expected);
  });

  it('what is valid here is valid there, however it was bent', async () => {
    const signer = keySignerOf(verifiers.webAuthn, passkey.publicKey);
    const answer = passkey.answer(digest);
    const parts = partsOf(answer);
    const [type, challenge] = [1, 23];
    expect(encodePasskeySignature(parts, challenge, type)).toBe(passkeySignature(answer));
    const bent: Hex[] = [
      encodePasskeySignature(parts, challenge + 1, type),
      encodePasskeySignature(parts, challenge, type + 1),
      encodePasskeySignature(parts, 2 ** 40, 2 ** 40),
      `${passkeySignature(answer)}00`,
      passkeySignature(answer).slice(0, -64) as Hex,
      passkeySignature(answer).slice(0, 2 + 2 * 0xc0) as Hex,
    ];
    for (let at = 2; at < 2 + 2 * 0x120; at += 61) {
      const whole = passkeySignature(answer);
      bent.push(`${whole.slice(0, at)}${whole[at] === 'f' ? '0' : 'f'}${whole.slice(at + 1)}` as Hex);
    }
    for (const signature of bent) {
      const verdict = await verifySignatureOf({ signer, digest, signature }, verifiers);
      if (verdict === 'valid') expect(await isValidOnChain(signer, signature)).toBe(true);
    }
    const verdicts = await Promise.all(
      bent.map((signature) => verifySignatureOf({ signer, digest, signature }, verifiers)),
    );
    expect(verdicts).not.toContain('valid');
  });
});
