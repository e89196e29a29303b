import { createPacketCipher, hkdfSha256, type PacketCipher, sha256, verifySignature } from '@pulsemesh/crypto';
import { concatBytes } from '@pulsemesh/wire';

/** The one version of the protocol. */
export const linkVersion = 1;

const ascii = new TextEncoder();
const transcriptLabel = ascii.encode('pulsemesh/link/1 transcript');
const serverLabel = ascii.encode('pulsemesh/link/1 server');
const agentLabel = ascii.encode('pulsemesh/link/1 agent');

/** SHA-256 over both hashes: what both ends sign and derive from; the version is in it. */
export function transcriptOf(hello: Uint8Array, core: Uint8Array): Uint8Array {
  return sha256(concatBytes(transcriptLabel, sha256(hello), sha256(core)));
}

/** What the server signs in its welcome. */
export function serverStatement(hello: Uint8Array, core: Uint8Array): Uint8Array {
  return concatBytes(serverLabel, sha256(hello), core);
}

/** What the agent signs in its login. */
export function agentStatement(transcript: Uint8Array): Uint8Array {
  return concatBytes(agentLabel, transcript);
}

export function isSignedByServer(
  server: Uint8Array,
  hello: Uint8Array,
  core: Uint8Array,
  signature: Uint8Array,
): boolean {
  return verifySignature(server, serverStatement(hello, core), signature);
}

/** The two directions' ciphers, from the X25519 secret (which is not zero: `x25519` throws) and the transcript. */
export function deriveCiphers(
  secret: Uint8Array,
  transcript: Uint8Array,
): { readonly toServer: PacketCipher; readonly toAgent: PacketCipher } {
  const keys = hkdfSha256({ key: secret, salt: transcript, info: 'pulsemesh/link/1 keys', length: 64 });
  return { toServer: createPacketCipher(keys.subarray(0, 32)), toAgent: createPacketCipher(keys.subarray(32)) };
}
