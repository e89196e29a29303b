import { createPacketCipher, hkdfSha256, type PacketCipher, sha256, verifySignature, x25519 } from '@pulsemesh/crypto';
import { concatBytes, type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { ServerImpostorError } from '../errors.ts';
import { decodeWelcomeCore, type WelcomeCore } from '../wire/packet.ts';

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

/** The two directions' ciphers, from the X25519 secret (which is not zero: `x25519` throws) and the transcript. */
export function deriveCiphers(
  secret: Uint8Array,
  transcript: Uint8Array,
): { readonly toServer: PacketCipher; readonly toAgent: PacketCipher } {
  const keys = hkdfSha256({ key: secret, salt: transcript, info: 'pulsemesh/link/1 keys', length: 64 });
  return { toServer: createPacketCipher(keys.subarray(0, 32)), toAgent: createPacketCipher(keys.subarray(32)) };
}

/** What the agent knows when a welcome comes. */
export interface WelcomeExpectation {
  readonly hello: Uint8Array;
  /** Of the key in the hello; secret. */
  readonly ephemeralPrivate: Uint8Array;
  /** Undefined: whoever answers, if it can sign for the key it shows. */
  readonly server: PeerId | undefined;
}

/** What a welcome that holds gives. */
export interface CheckedWelcome {
  readonly core: WelcomeCore;
  readonly transcript: Uint8Array;
  readonly toServer: PacketCipher;
  readonly toAgent: PacketCipher;
}

/** Checks version, signature, key and point of a welcome, in this order; answers what is wrong instead of throwing it. */
export function checkWelcome(
  coreBytes: Uint8Array,
  signature: Uint8Array,
  expected: WelcomeExpectation,
): CheckedWelcome | ServerImpostorError {
  const { hello, ephemeralPrivate, server } = expected;
  let core: WelcomeCore;
  try {
    core = decodeWelcomeCore(coreBytes);
  } catch {
    return new ServerImpostorError('bad-welcome');
  }
  if (core.version !== linkVersion) return new ServerImpostorError('bad-welcome');
  if (!verifySignature(core.server, serverStatement(hello, coreBytes), signature)) {
    return new ServerImpostorError('bad-signature');
  }
  if (server !== undefined && peerIdOfEd25519(core.server) !== server) return new ServerImpostorError('another-key');
  try {
    const transcript = transcriptOf(hello, coreBytes);
    return { core, transcript, ...deriveCiphers(x25519(ephemeralPrivate, core.ephemeral), transcript) };
  } catch {
    return new ServerImpostorError('bad-welcome'); // a point of small order
  }
}
