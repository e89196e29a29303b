import { createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { sha256 } from '@pulsemesh/crypto';
import { concatBytes, fromHex } from '@pulsemesh/wire';
import { toBase64Url } from '../offer/base64url.ts';
import type { Hex } from '../offer/offer.ts';
import type { PasskeyAnswer } from '../offer/passkey-signature.ts';

export interface SoftPasskeyOptions {
  /** Default `localhost`. */
  readonly rpId?: string;
  /** Default `http://localhost`. */
  readonly origin?: string;
  /** Whether its counter goes up; default no, as synced passkeys have it. */
  readonly isCounting?: boolean;
}

/** What of an answer a test bends. */
export interface AnswerChanges {
  /** Default 0x05: present and verified. */
  readonly flags?: number;
  readonly counter?: number;
  /** Members put into the client data, over what stands there. */
  readonly clientData?: Readonly<Record<string, unknown>>;
  /** The whole client data. */
  readonly clientText?: string;
  /** Bytes after the counter. */
  readonly extensions?: Uint8Array;
  readonly rpId?: string;
}

/** A passkey made of node:crypto: key, counter and PRF of an authenticator, client data of a browser. */
export class SoftPasskey {
  readonly credentialId = toBase64Url(randomBytes(16));
  /** Uncompressed point, 65 bytes. */
  readonly publicKey: Uint8Array;
  readonly #options: Required<SoftPasskeyOptions>;
  readonly #privateKey: KeyObject;
  readonly #prfSeed = randomBytes(32);
  #counter = 0;

  constructor(options: SoftPasskeyOptions = {}) {
    this.#options = { rpId: 'localhost', origin: 'http://localhost', isCounting: false, ...options };
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { x, y } = publicKey.export({ format: 'jwk' });
    this.#privateKey = privateKey;
    this.publicKey = Uint8Array.of(4, ...Buffer.from(x ?? '', 'base64url'), ...Buffer.from(y ?? '', 'base64url'));
  }

  /** Answers a 32-byte challenge. */
  answer(challenge: Hex, changes: AnswerChanges = {}): PasskeyAnswer & { readonly credentialId: string } {
    if (this.#options.isCounting) this.#counter += 1;
    const fields = {
      type: 'webauthn.get',
      challenge: toBase64Url(fromHex(challenge.slice(2))),
      origin: this.#options.origin,
      crossOrigin: false,
      ...changes.clientData,
    };
    const clientData = new TextEncoder().encode(changes.clientText ?? JSON.stringify(fields));
    const tail = new Uint8Array(5);
    tail[0] = changes.flags ?? 0x05;
    new DataView(tail.buffer).setUint32(1, changes.counter ?? this.#counter);
    const rpIdHash = sha256(new TextEncoder().encode(changes.rpId ?? this.#options.rpId));
    const authenticatorData = concatBytes(rpIdHash, tail, changes.extensions ?? new Uint8Array(0));
    const signature = sign('sha256', concatBytes(authenticatorData, sha256(clientData)), this.#privateKey);
    return {
      credentialId: this.credentialId,
      authenticatorData: toBase64Url(authenticatorData),
      clientData: toBase64Url(clientData),
      signature: toBase64Url(signature),
    };
  }

  /** What its PRF extension gives for a salt (WebAuthn level 3 §10.1.4): 32 bytes, the same each time. */
  secretOf(salt: Hex): Uint8Array {
    const message = concatBytes(new TextEncoder().encode('WebAuthn PRF\0'), fromHex(salt.slice(2)));
    return new Uint8Array(createHmac('sha256', this.#prfSeed).update(sha256(message)).digest());
  }
}
