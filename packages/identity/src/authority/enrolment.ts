import { type Clock, errorCode, type Random, type WaitOptions } from '@pulsemesh/base';
import { decodeCbor, encodeCbor, equalBytes, type PeerId, parsePeerId } from '@pulsemesh/wire';
import { bytesOf, exactMap, integerOf, listOf, optional } from '../fields.ts';
import { overwriteFile, readSmallFile } from '../files.ts';
import type { Identity } from '../identity.ts';
import { EnrolmentError } from './errors.ts';
import { certificateFingerprint } from './issuer.ts';
import { type CertificateFacts, judgeCertificate } from './judge.ts';
import { type AuthorityRole, authorityLimits } from './limits.ts';
import {
  decodeEnrolAnswer,
  type EnrolAnswer,
  encodeBytesMessage,
  encodeEnrolMessage,
  signEnrolRequest,
  signRenewRequest,
} from './messages.ts';
import { type EnrolmentToken, enrolmentTokenLimits } from './token.ts';

/** Carries one message to the authority and its answer back: `request` of a link does. */
export type AuthorityRequest = (method: string, message: Uint8Array, options?: WaitOptions) => Promise<Uint8Array>;

export interface EnrolmentDependencies {
  readonly clock: Clock;
  readonly random: Random;
}

/** What is kept of an enrolment. */
interface Kept {
  readonly relayUrl: string;
  readonly relayPeer: PeerId;
  readonly rootFingerprint: Uint8Array;
  /** The request, until it is decided; sent again byte for byte, so that a lost answer costs nothing. */
  readonly statement: Uint8Array;
  readonly secret: Uint8Array | null;
  /** Empty: not issued yet. */
  readonly certificates: readonly Uint8Array[];
  readonly root: Uint8Array | null;
}

/** What the agent asks to be, where it has no token that says so. */
export interface EnrolmentWish {
  readonly organisation: string | null;
  readonly role: AuthorityRole | null;
}

const stateBytesMax = 4 * authorityLimits.certificateBytesMax + 8_192;

/**
 * An agent's enrolment: kept in one file, so that it goes on after a restart where it was. Trusts only the root whose fingerprint the
 * token names. One process at a time.
 */
export class Enrolment {
  readonly #file: string;
  readonly #identity: Identity;
  readonly #wish: EnrolmentWish;
  readonly #dependencies: EnrolmentDependencies;
  #kept: Kept;

  private constructor(file: string, identity: Identity, wish: EnrolmentWish, kept: Kept, deps: EnrolmentDependencies) {
    this.#file = file;
    this.#identity = identity;
    this.#wish = wish;
    this.#kept = kept;
    this.#dependencies = deps;
  }

  /** The enrolment that `file` holds, or null. @throws {EnrolmentError} `enrolment-damaged`; {IdentityFileError}. */
  static async open(file: string, identity: Identity, deps: EnrolmentDependencies): Promise<Enrolment | null> {
    const bytes = await readSmallFile(file, true, stateBytesMax);
    return bytes === null ? null : new Enrolment(file, identity, anything, decodeKept(bytes), deps);
  }

  /**
   * Begins with a token, or goes on with what was begun with it. What `file` holds of another authority is replaced.
   * @throws as {@link Enrolment.open}.
   */
  static async begin(
    options: { readonly file: string; readonly token: EnrolmentToken; readonly wish?: EnrolmentWish },
    identity: Identity,
    deps: EnrolmentDependencies,
  ): Promise<Enrolment> {
    const { file, token, wish = anything } = options;
    const bytes = await readSmallFile(file, true, stateBytesMax);
    const known = bytes === null ? null : decodeKept(bytes);
    const { relayUrl, relayPeer, rootFingerprint, secret } = token;
    const isSame = known !== null && equalBytes(known.rootFingerprint, rootFingerprint);
    const isBegun = isSame && (known.certificates.length > 0 || sameSecret(known.secret, secret));
    const statement = isBegun ? known.statement : sign(identity, rootFingerprint, wish, deps);
    const fresh = { relayUrl, relayPeer, rootFingerprint, statement, secret, certificates: [], root: null };
    const kept = isBegun ? { ...known, relayUrl, relayPeer } : fresh;
    const enrolment = new Enrolment(file, identity, wish, kept, deps);
    // Before it is sent: what the authority answers is for these bytes.
    await enrolment.#keep(kept);
    return enrolment;
  }

  get relayUrl(): string {
    return this.#kept.relayUrl;
  }

  get relayPeer(): PeerId {
    return this.#kept.relayPeer;
  }

  /** DER, own first; empty until issued. */
  get certificates(): readonly Uint8Array[] {
    return this.#kept.certificates;
  }

  /** The authority's root, DER; null until issued. */
  get root(): Uint8Array | null {
    return this.#kept.root;
  }

  /** What the certificate says; null while there is none that holds. */
  get membership(): CertificateFacts | null {
    const { root, certificates } = this.#kept;
    return root === null ? null : this.#judge(certificates, root);
  }

  /**
   * Asks once. `pending`: an operator has to say yes; ask again later.
   * @throws {EnrolmentError}; what `request` throws: the authority's refusal has its code.
   */
  async enrol(request: AuthorityRequest, options: WaitOptions = {}): Promise<'issued' | 'pending'> {
    if (this.#kept.certificates.length > 0) return 'issued';
    const answer = await this.#ask(request, options);
    if (answer.state === 'pending') return 'pending';
    if (answer.state === 'refused') throw new EnrolmentError('enrolment-refused');
    await this.#take(answer);
    return 'issued';
  }

  /** Fetches the next certificate. @throws as {@link Enrolment.enrol}; {EnrolmentError} `not-enrolled`. */
  async renew(request: AuthorityRequest, options: WaitOptions = {}): Promise<void> {
    if (this.#kept.certificates.length === 0) throw new EnrolmentError('not-enrolled');
    const { clock, random } = this.#dependencies;
    const statement = signRenewRequest(this.#identity, {
      authority: this.#kept.rootFingerprint,
      nonce: random.bytes(16),
      createdMs: clock.now(),
    });
    const bytes = await request('authority.renew', encodeBytesMessage('statement', statement), options);
    await this.#take(readAnswer(bytes));
  }

  async #ask(request: AuthorityRequest, options: WaitOptions): Promise<EnrolAnswer> {
    const send = async () => {
      const { statement, secret } = this.#kept;
      return readAnswer(await request('authority.enrol', encodeEnrolMessage({ statement, secret }), options));
    };
    try {
      return await send();
    } catch (error) {
      // The authority never saw the request, and now it is too old: sign it again.
      if (errorCode(error) !== 'request-time') throw error;
      const { rootFingerprint } = this.#kept;
      await this.#keep({
        ...this.#kept,
        statement: sign(this.#identity, rootFingerprint, this.#wish, this.#dependencies),
      });
      return send();
    }
  }

  async #take({ certificates, root }: EnrolAnswer): Promise<void> {
    if (!equalBytes(certificateFingerprint(root), this.#kept.rootFingerprint))
      throw new EnrolmentError('authority-impostor');
    if (this.#judge(certificates, root) === null) throw new EnrolmentError('certificate-unusable');
    await this.#keep({ ...this.#kept, secret: null, certificates, root });
  }

  #judge(certificates: readonly Uint8Array[], root: Uint8Array): CertificateFacts | null {
    const { peerId, publicKey } = this.#identity;
    const now = this.#dependencies.clock.now();
    const judgement = judgeCertificate({
      certificates,
      peerId,
      publicKey,
      roots: [root],
      crl: null,
      now,
      clockSkew: 0,
    });
    return judgement.ok ? judgement.facts : null;
  }

  async #keep(kept: Kept): Promise<void> {
    await overwriteFile(this.#file, encodeCbor({ v: 1, ...kept }), this.#dependencies);
    this.#kept = kept;
  }
}

const anything: EnrolmentWish = { organisation: null, role: null };

function sign(
  identity: Identity,
  authority: Uint8Array,
  wish: EnrolmentWish,
  { clock, random }: EnrolmentDependencies,
): Uint8Array {
  return signEnrolRequest(identity, { authority, nonce: random.bytes(16), createdMs: clock.now(), ...wish });
}

function sameSecret(one: Uint8Array | null, other: Uint8Array | null): boolean {
  return one === null || other === null ? one === other : equalBytes(one, other);
}

function readAnswer(bytes: Uint8Array): EnrolAnswer {
  try {
    return decodeEnrolAnswer(bytes);
  } catch (error) {
    throw new EnrolmentError('answer-malformed', { cause: error });
  }
}

function decodeKept(bytes: Uint8Array): Kept {
  try {
    const keys = ['v', 'relayUrl', 'relayPeer', 'rootFingerprint', 'statement', 'secret', 'certificates', 'root'];
    const map = exactMap(decodeCbor(bytes, { bytesMax: stateBytesMax, depthMax: 3 }), keys);
    integerOf(map['v'], 1, 1);
    const { relayUrl, relayPeer } = map;
    if (typeof relayUrl !== 'string' || typeof relayPeer !== 'string') throw new TypeError('relay');
    return {
      relayUrl,
      relayPeer: parsePeerId(relayPeer),
      rootFingerprint: bytesOf(map['rootFingerprint'], 32),
      statement: blobOf(map['statement']),
      secret: optional(map['secret'], (value) => bytesOf(value, enrolmentTokenLimits.secretBytes)),
      certificates: listOf(map['certificates'], 0, authorityLimits.chainMax).map(blobOf),
      root: optional(map['root'], blobOf),
    };
  } catch (error) {
    throw new EnrolmentError('enrolment-damaged', { cause: error });
  }
}

function blobOf(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError('bytes');
  return value;
}
