import { equalBytes, type PeerId } from '@pulsemesh/wire';
import type { LanHello } from './lan-hello.ts';

/** The kind of address that a hello came from. */
export type Family = 'ip4' | 'ip6';

/** Where a hello came from. */
export interface HelloSource {
  readonly family: Family;
  /** Without a zone. */
  readonly address: string;
  /** UDP port that an answer goes to. */
  readonly port: number;
  /** It was sent to us alone, and wants no answer. */
  readonly isAnswer: boolean;
}

/** Where a peer can be dialled. */
export interface Spot {
  readonly family: Family;
  readonly address: string;
  readonly port: number;
}

/** A peer of the local network, as others see it. */
export interface LanPeer {
  /** Hex of the key that signs its hellos, which is not its identity. */
  readonly key: string;
  readonly capabilities: number;
  /** The newest first. */
  readonly spots: readonly Spot[];
  /** Who it turned out to be, once a connection proved it. */
  readonly peer: PeerId | undefined;
}

/** By what one hello of a key is told from another. */
type Mark = Pick<LanHello, 'expiresAtSeconds' | 'nonce'>;

/** What a machine remembers of a peer: its last hello of each family, and how dialling it went. */
export class LanEntry {
  readonly key: string;
  capabilities = 0;
  heardAtMs = 0;
  peer: PeerId | undefined;
  /** When it is to be dialled, unix milliseconds; infinity: not at all. */
  dialAtMs = Number.POSITIVE_INFINITY;
  failures = 0;
  readonly #spots = new Map<Family, Spot & Mark>();

  constructor(key: string) {
    this.key = key;
  }

  /** The newest first. */
  get spots(): readonly Spot[] {
    return [...this.#spots.values()].reverse();
  }

  /** Whether a hello came before neither by this family nor by the other. */
  isNewer(family: Family, { expiresAtSeconds, nonce }: Mark): boolean {
    if (expiresAtSeconds <= (this.#spots.get(family)?.expiresAtSeconds ?? -1)) return false;
    for (const spot of this.#spots.values()) if (equalBytes(spot.nonce, nonce)) return false;
    return true;
  }

  isAt(address: string): boolean {
    for (const spot of this.#spots.values()) if (spot.address === address) return true;
    return false;
  }

  /** Whether it can be dialled elsewhere from now on. */
  moveTo(spot: Spot, { expiresAtSeconds, nonce }: Mark): boolean {
    const before = this.#spots.get(spot.family);
    this.#spots.delete(spot.family);
    this.#spots.set(spot.family, { ...spot, expiresAtSeconds, nonce });
    return before?.address !== spot.address || before.port !== spot.port;
  }
}
