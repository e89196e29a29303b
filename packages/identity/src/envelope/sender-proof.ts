import { sha256, verifySignature } from '@pulsemesh/crypto';
import { concatBytes, equalBytes, toHex } from '@pulsemesh/wire';
import type { EnvelopeSender, SealingAgreement } from './parties.ts';

const label = new TextEncoder().encode('pulsemesh/envelope/1 sealing key');
const keyBytes = 32;
const signatureBytes = 64;

/** Length of a proof. */
export const senderProofBytes = keyBytes + keyBytes + signatureBytes;

/** Proofs that were verified and are remembered, each about 150 bytes: people write more than once. */
const provenMax = 4096;
const proven = new Set<string>();
const made = new WeakMap<SealingAgreement, Uint8Array>();

/** Ed25519 key ‖ X25519 key ‖ signature of the first over the second: who the holder of the second is. */
export function proveSender(sender: EnvelopeSender): Uint8Array {
  const { sealing } = sender;
  let proof = made.get(sealing);
  if (proof === undefined || !equalBytes(proof.subarray(0, keyBytes), sender.publicKey)) {
    const signature = sender.sign(concatBytes(label, sealing.publicKey));
    proof = concatBytes(sender.publicKey, sealing.publicKey, signature);
    made.set(sealing, proof);
  }
  return proof;
}

/** The two keys of a proof, or null where it proves nothing. */
export function checkSenderProof(proof: Uint8Array): { publicKey: Uint8Array; sealingKey: Uint8Array } | null {
  const publicKey = proof.slice(0, keyBytes);
  const sealingKey = proof.slice(keyBytes, 2 * keyBytes);
  const name = toHex(sha256(proof));
  if (!proven.has(name)) {
    if (!verifySignature(publicKey, concatBytes(label, sealingKey), proof.subarray(2 * keyBytes))) return null;
    // A Set keeps the order of insertion: the first is the oldest.
    if (proven.size >= provenMax) proven.delete(proven.values().next().value as string);
    proven.add(name);
  }
  return { publicKey, sealingKey };
}
