import { toHex } from '@pulsemesh/wire';
import { TokenBuckets } from '../token-buckets.ts';
import { isOfSite, isSigned, type ReceivedHello, readHello, type Site } from './lan-hello.ts';
import { lanLimits } from './lan-parameters.ts';
import type { HelloSource, LanEntry } from './lan-peer.ts';

/** Why a hello was left alone. */
export type HelloRefusal =
  | 'oversized'
  | 'malformed'
  | 'too-often'
  | 'own'
  | 'expired'
  | 'too-far-ahead'
  | 'other-site'
  | 'repeated'
  | 'full'
  | 'too-many-of-one'
  | 'too-busy'
  | 'forged';

/** What the gate asks of the view behind it. */
export interface GateSurroundings {
  readonly site: Site | undefined;
  isOwn(key: string): boolean;
  entry(key: string): LanEntry | undefined;
  /** Whether a new peer has room. */
  hasRoom(): boolean;
  countAt(address: string): number;
}

/** Lets hellos through that hold: what is cheap to ask is asked first, the signature last. */
export class HelloGate {
  readonly #around: GateSurroundings;
  readonly #heard = new TokenBuckets<string>(lanLimits.hellosPerAddressPerMinute, lanLimits.addressesCountedMax);
  readonly #checks = new TokenBuckets<string>(lanLimits.checksPerMinute, 1);

  constructor(around: GateSurroundings) {
    this.#around = around;
  }

  /** The hello in `bytes`, with its key as hex; or why it is none for us. */
  look(
    bytes: Uint8Array,
    from: HelloSource,
    nowMs: number,
  ): { readonly hello: ReceivedHello; readonly key: string } | HelloRefusal {
    if (bytes.length > lanLimits.helloBytesMax) return 'oversized';
    if (!this.#heard.take(from.address, nowMs)) return 'too-often';
    const hello = readHello(bytes);
    if (hello === null) return 'malformed';
    const key = toHex(hello.publicKey);
    return this.#refusal(hello, key, from, nowMs) ?? { hello, key };
  }

  #refusal(hello: ReceivedHello, key: string, from: HelloSource, nowMs: number): HelloRefusal | undefined {
    if (this.#around.isOwn(key)) return 'own';
    const leftSeconds = hello.expiresAtSeconds - nowMs / 1_000;
    if (leftSeconds <= 0) return 'expired';
    if (leftSeconds > lanLimits.lifetimeSecondsMax + lanLimits.clockSkewSecondsMax) return 'too-far-ahead';
    if (!isOfSite(hello, this.#around.site)) return 'other-site';
    const entry = this.#around.entry(key);
    if (entry?.isNewer(from.family, hello) === false) return 'repeated';
    // A peer that moves counts at its new address like a new one.
    const isHere = entry?.isAt(from.address) === true;
    if (!isHere && this.#around.countAt(from.address) >= lanLimits.peersPerAddressMax) return 'too-many-of-one';
    if (entry === undefined && !this.#around.hasRoom()) return 'full';
    if (!this.#checks.take('', nowMs)) return 'too-busy';
    return isSigned(hello) ? undefined : 'forged';
  }
}
