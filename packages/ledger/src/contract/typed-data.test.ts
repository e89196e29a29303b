import { encodeAbiParameters, encodePacked, hashTypedData, keccak256, toHex, zeroAddress } from 'viem';
import { describe, expect, it } from 'vitest';
import type { Offer } from '../offer/offer.ts';
import { consentLedgerAbi } from './consent-ledger.ts';
import { consentTypes, domainOf, offerIdOf, purseOf, receiptDigestOf } from './typed-data.ts';

const contract = '0x5fbdb2315678afecb367f032d93f642f64180aa3';

const offer: Offer = {
  patient: '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
  payee: '0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc',
  buyer: '0x90f79bf6eb2c4f870365e785982e1f101e93b906',
  custodian: '0x15d34aaf54267db7d7c367839aaf71a00a2c6a65',
  arbiter: zeroAddress,
  token: zeroAddress,
  price: 5n,
  validUntil: 1_900_000_000,
  deliverWithin: 3600,
  accessFor: 86_400,
  terms: keccak256('0x01'),
  nonce: keccak256('0x02'),
};

describe('what is signed for the contract', () => {
  it('has the fields of the contract, in its order', () => {
    const purchase = consentLedgerAbi.find((item) => item.type === 'function' && item.name === 'purchase');
    const fields = purchase?.inputs[0] !== undefined && 'components' in purchase.inputs[0] ? purchase.inputs[0] : null;
    expect(fields?.components).toEqual(consentTypes.Offer);
  });

  it('is another thing on another chain, another contract, or under another name', () => {
    const ids = [
      offerIdOf(offer, domainOf(1, contract)),
      offerIdOf(offer, domainOf(2, contract)),
      offerIdOf(offer, domainOf(1, zeroAddress)),
      hashTypedData({
        domain: { ...domainOf(1, contract), version: '2' },
        types: consentTypes,
        primaryType: 'Offer',
        message: offer,
      }),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('is EIP-712, reckoned by hand', () => {
    const receipt = { offer: keccak256('0x03'), delivery: keccak256('0x04') };
    const domainKind = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)';
    const words = [{ type: 'bytes32' }, { type: 'bytes32' }, { type: 'bytes32' }] as const;
    const domain = keccak256(
      encodeAbiParameters(
        [...words, { type: 'uint256' }, { type: 'address' }],
        [
          keccak256(toHex(domainKind)),
          keccak256(toHex('Pulsemesh ConsentLedger')),
          keccak256(toHex('1')),
          31_337n,
          contract,
        ],
      ),
    );
    const kind = keccak256(toHex('Receipt(bytes32 offer,bytes32 delivery)'));
    const struct = keccak256(encodeAbiParameters(words, [kind, receipt.offer, receipt.delivery]));
    const digest = keccak256(encodePacked(['bytes2', 'bytes32', 'bytes32'], ['0x1901', domain, struct]));
    expect(receiptDigestOf(receipt, domainOf(31_337, contract))).toBe(digest);
  });

  it('names a purse by the first twenty bytes of the hash of its signer', () => {
    expect(purseOf(offer.patient).toLowerCase()).toBe(keccak256(offer.patient).slice(0, 42));
  });
});
