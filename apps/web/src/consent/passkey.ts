import { createSystemRandom, type Random } from '@pulsemesh/base';
import { Condition } from '@pulsemesh/base/errors';
import type { AssertionView, Hex } from '@pulsemesh/node/api';
import { fromBase64Url, fromHexText, toBase64Url } from './bytes.ts';

/** The passkey could not be asked, or the person said no. The text says what to do. */
export class PasskeyError extends Condition {
  constructor(text: string, cause?: unknown) {
    super('web.passkey', text, { cause });
    this.name = 'PasskeyError';
  }
}

/** What of the browser's `navigator.credentials` is used. */
export type Credentials = Pick<CredentialsContainer, 'create' | 'get'>;

export interface PasskeyDependencies {
  /** Undefined where the browser has none: an old one, or a page that did not come over https or from localhost. */
  readonly credentials: Credentials | undefined;
  readonly random: Random;
}

/** This browser's passkeys. */
export function browserPasskeys(): PasskeyDependencies {
  const hasPasskeys = typeof PublicKeyCredential === 'function' && 'credentials' in navigator;
  return { credentials: hasPasskeys ? navigator.credentials : undefined, random: createSystemRandom() };
}

export interface MadePasskey {
  readonly credentialId: string;
  /** Uncompressed P-256 point, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** Whether the authenticator says that it can make keys of its own for each consent. */
  readonly hasPrf: boolean;
}

/** SubjectPublicKeyInfo of a P-256 key: 26 bytes that are always the same, then the point. */
const spkiBytes = 91;
const pointBytes = 65;
/** COSE's name for ECDSA with SHA-256 on P-256. */
const es256 = -7;
/** How long the person may take. */
const touchMs = 120_000;

/** Makes a passkey for this site. `name` is what the authenticator shows. @throws {PasskeyError} */
export async function createPasskey(name: string, deps: PasskeyDependencies): Promise<MadePasskey> {
  const credential = await asked(() =>
    credentialsOf(deps).create({
      publicKey: {
        challenge: plain(deps.random.bytes(32)),
        rp: { name: 'Pulsemesh' },
        // Names nobody: the authenticator keeps it, and may sync it.
        user: { id: plain(deps.random.bytes(16)), name, displayName: name },
        pubKeyCredParams: [{ type: 'public-key', alg: es256 }],
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
        attestation: 'none',
        timeout: touchMs,
        extensions: { prf: {} },
      },
    }),
  );
  const { response } = credential;
  const spki = 'getPublicKey' in response ? (response as AuthenticatorAttestationResponse).getPublicKey() : null;
  const point = spki?.byteLength === spkiBytes ? new Uint8Array(spki).slice(-pointBytes) : null;
  if (point === null || point[0] !== 4) {
    throw new PasskeyError('This passkey is of a kind that cannot sign here: another one is needed (ES256).');
  }
  return {
    credentialId: toBase64Url(new Uint8Array(credential.rawId)),
    publicKey: point,
    hasPrf: credential.getClientExtensionResults().prf?.enabled === true,
  };
}

export interface PasskeyAnswer {
  readonly assertion: AssertionView;
  /** What the passkey made of `salt`, 32 bytes, never to leave this page; null: it cannot. */
  readonly secret: Uint8Array | null;
}

/** One touch: signs `challenge`, and with a `salt` makes the secret that belongs to it. @throws {PasskeyError} */
export async function askPasskey(
  credentialId: string,
  ask: { readonly challenge: Hex; readonly salt: Hex | null },
  deps: PasskeyDependencies,
): Promise<PasskeyAnswer> {
  const id = fromBase64Url(credentialId);
  const extensions = ask.salt === null ? {} : { extensions: { prf: { eval: { first: fromHexText(ask.salt) } } } };
  const credential = await asked(() =>
    credentialsOf(deps).get({
      publicKey: {
        challenge: fromHexText(ask.challenge),
        allowCredentials: [{ type: 'public-key', id }],
        userVerification: 'required',
        timeout: touchMs,
        ...extensions,
      },
    }),
  );
  // What `get` with a public key resolves with.
  const response = credential.response as AuthenticatorAssertionResponse;
  const secret = credential.getClientExtensionResults().prf?.results?.first ?? null;
  return {
    assertion: {
      credentialId: toBase64Url(new Uint8Array(credential.rawId)),
      authenticatorData: toBase64Url(new Uint8Array(response.authenticatorData)),
      clientData: toBase64Url(new Uint8Array(response.clientDataJSON)),
      signature: toBase64Url(new Uint8Array(response.signature)),
    },
    secret: secret === null ? null : bytesOf(secret),
  };
}

function credentialsOf({ credentials }: PasskeyDependencies): Credentials {
  if (credentials === undefined) {
    throw new PasskeyError(
      'This browser has no passkeys here. Use a current browser, and open this page over https or as localhost.',
    );
  }
  return credentials;
}

async function asked(ask: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  let credential: Credential | null;
  try {
    credential = await ask();
  } catch (error) {
    throw new PasskeyError(textOf(error), error);
  }
  if (credential === null || !('rawId' in credential))
    throw new PasskeyError('The browser gave no passkey. Try again.');
  return credential as PublicKeyCredential; // the only kind with a rawId
}

function textOf(error: unknown): string {
  if (error instanceof PasskeyError) return error.message;
  switch (error instanceof Error ? error.name : '') {
    case 'NotAllowedError':
      return 'The passkey was not used: it was refused, took too long, or is not on this device. Try again.';
    case 'InvalidStateError':
      return 'This device has a passkey for this page already.';
    case 'SecurityError':
      return 'Passkeys do not work at this address. Open the page as localhost or under its own name over https.';
    default:
      return 'The passkey could not be used. Try again, or with another device.';
  }
}

function bytesOf(source: BufferSource): Uint8Array {
  return source instanceof ArrayBuffer
    ? new Uint8Array(source)
    : new Uint8Array(source.buffer, source.byteOffset, source.byteLength).slice();
}

/** On a buffer of its own, as the browser's interfaces ask for. */
function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
