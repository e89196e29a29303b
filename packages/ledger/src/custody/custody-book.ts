import { sha256 } from '@pulsemesh/crypto';
import type { TableChange } from '@pulsemesh/store';
import { concatBytes, fromHex, type PeerId, toHex } from '@pulsemesh/wire';
import { bytesOfHex, hexOf } from '../access/fields.ts';
import { keyNumber, numberKey, type SealedRows } from '../access/sealed-rows.ts';
import { decodeMessage, encodeMessage } from '../market/message-codec.ts';
import type { DepositBody } from '../market/messages.ts';
import type { Hex } from '../offer/offer.ts';
import { custodyLimits, type HoldingLimits } from './custody-limits.ts';
import type { GrantRow, HeldGrant, HeldTerms } from './grant-row.ts';

const tables = {
  deposits: 'custody/deposits',
  grants: 'custody/grants',
  requests: 'custody/requests',
  erased: 'custody/erased',
} as const;

interface Answered {
  readonly hash: Hex;
  readonly atMs: number;
}

/** What a custodian holds, in memory as it is on the disk: changes are made first, and count once they are committed. */
export class CustodyBook {
  readonly #rows: SealedRows;
  readonly #self: PeerId;
  readonly #grants = new Map<Hex, HeldGrant>();
  readonly #ofHome = new Map<PeerId, number>();
  /** Requests that were answered. */
  readonly #requests = new Map<string, Answered>();
  /** Hashes of erased grants' ids, and until when their offers hold: a deposit that comes again does not bring them back. */
  readonly #erased = new Map<string, number>();
  readonly #limits: HoldingLimits;
  #envelopeBytes = 0;

  /** @throws {SealBrokenError}; {MessageRefusedError}; when rows were damaged. */
  constructor(rows: SealedRows, self: PeerId, limits: HoldingLimits = custodyLimits) {
    this.#limits = limits;
    this.#rows = rows;
    this.#self = self;
    for (const { key, value } of rows.store.range(tables.grants)) {
      const row = rows.open(tables.grants, key, value) as GrantRow; // as `changesOf` writes it
      this.#keep(this.#depositOf(key), row);
    }
    for (const { key, value } of rows.store.range(tables.erased)) this.#erased.set(toHex(key), keyNumber(value));
    for (const { key, value } of rows.store.range(tables.requests))
      this.#requests.set(toHex(key), { hash: hexOf(value.slice(8)), atMs: keyNumber(value) });
  }

  get size(): number {
    return this.#grants.size;
  }

  get(grantId: Hex): HeldGrant | undefined {
    return this.#grants.get(grantId);
  }

  all(): Iterable<readonly [Hex, HeldGrant]> {
    return this.#grants;
  }

  grantsOf(home: PeerId): number {
    return this.#ofHome.get(home) ?? 0;
  }

  hasRoomFor(envelopeBytes: number): boolean {
    return (
      this.#grants.size < this.#limits.grantsMax &&
      this.#erased.size < this.#limits.erasedMax &&
      this.#envelopeBytes + envelopeBytes <= this.#limits.envelopeBytesMax
    );
  }

  isErased(grantId: Hex): boolean {
    return this.#erased.has(erasedName(grantId));
  }

  /** As `forget`, and it is not held again. */
  erase(grantId: Hex): { readonly changes: TableChange[]; taken(): void } {
    const part = this.forget(grantId);
    const name = erasedName(grantId);
    const validUntil = this.#grants.get(grantId)?.terms.signed.offer.validUntil ?? 0;
    const change = { kind: 'put', table: tables.erased, key: fromHex(name), value: numberKey(validUntil) } as const;
    return {
      changes: [...part.changes, change],
      taken: () => {
        part.taken();
        this.#erased.set(name, validUntil);
      },
    };
  }

  /** The envelope of a grant, from the disk; null: nothing is held. */
  envelopeOf(grantId: Hex): Uint8Array | null {
    return this.#grants.has(grantId) ? this.#depositOf(bytesOfHex(grantId, 32)).envelope : null;
  }

  /** What was answered under this id, by its hash; null: nothing. */
  answered(grantId: Hex, readId: string): Hex | null {
    return this.#requests.get(requestName(grantId, readId))?.hash ?? null;
  }

  /** As many answered requests are remembered as may be: one more could not be told from one that comes again. */
  get isFullOfRequests(): boolean {
    return this.#requests.size >= this.#limits.requestsMax;
  }

  /** Holds a deposit, or changes the row of one that is held. */
  changesOf(grantId: Hex, row: GrantRow, deposit?: DepositBody): { readonly changes: TableChange[]; taken(): void } {
    const key = bytesOfHex(grantId, 32);
    return {
      changes: [
        ...(deposit === undefined ? [] : [this.#rows.put(tables.deposits, key, encodeMessage('deposit', deposit))]),
        this.#rows.put(tables.grants, key, row),
      ],
      taken: () => {
        const held = this.#grants.get(grantId);
        if (deposit !== undefined) this.#keep(deposit, row);
        else if (held !== undefined) this.#grants.set(grantId, { ...held, row });
      },
    };
  }

  /** Remembers that a request was answered; where there is no room, it was denied, and may be again. */
  answer(grantId: Hex, readId: string, hash: Hex, atMs: number): { readonly changes: TableChange[]; taken(): void } {
    if (this.isFullOfRequests) return { changes: [], taken: () => {} };
    const name = requestName(grantId, readId);
    const value = concatBytes(numberKey(atMs), bytesOfHex(hash, 32));
    return {
      changes: [{ kind: 'put', table: tables.requests, key: fromHex(name), value }],
      taken: () => void this.#requests.set(name, { hash, atMs }),
    };
  }

  /** Forgets requests that are too old to be served, and erased grants whose offers are, whether they come again or not. */
  prune(nowMs: number): { readonly changes: TableChange[]; taken(): void } {
    const old = this.#oldRequests(nowMs);
    const erased = [...this.#erased].filter(([, validUntil]) => nowMs > validUntil * 1000).slice(0, prunedAtOnce);
    return {
      changes: [
        ...old.map((name) => this.#rows.remove(tables.requests, fromHex(name))),
        ...erased.map(([name]) => this.#rows.remove(tables.erased, fromHex(name))),
      ],
      taken: () => {
        for (const name of old) this.#requests.delete(name);
        for (const [name] of erased) this.#erased.delete(name);
      },
    };
  }

  forget(grantId: Hex): { readonly changes: TableChange[]; taken(): void } {
    const key = bytesOfHex(grantId, 32);
    const prefix = toHex(key);
    const requests = [...this.#requests.keys()].filter((name) => name.startsWith(prefix));
    return {
      changes: [
        this.#rows.remove(tables.deposits, key),
        this.#rows.remove(tables.grants, key),
        ...requests.map((name) => this.#rows.remove(tables.requests, fromHex(name))),
      ],
      taken: () => {
        const held = this.#grants.get(grantId);
        if (held === undefined) return;
        this.#grants.delete(grantId);
        for (const name of requests) this.#requests.delete(name);
        this.#envelopeBytes -= held.terms.envelopeBytes;
        this.#ofHome.set(held.row.home, this.grantsOf(held.row.home) - 1);
      },
    };
  }

  #oldRequests(nowMs: number): string[] {
    const old = [...this.#requests].filter(([, { atMs }]) => nowMs - atMs > custodyLimits.requestAgeMsMax);
    return old.slice(0, prunedAtOnce).map(([name]) => name);
  }

  #depositOf(key: Uint8Array): DepositBody {
    const encoded = this.#rows.get(tables.deposits, key) as Uint8Array; // as `changesOf` writes it
    const { body } = decodeMessage(encoded);
    return body as DepositBody; // nothing else is written there
  }

  #keep({ envelope, ...body }: DepositBody, row: GrantRow): void {
    const terms: HeldTerms = { ...body, delivery: hexOf(sha256(envelope)), envelopeBytes: envelope.length };
    this.#grants.set(body.signed.grantId, { terms, place: Math.max(0, body.custodians.indexOf(this.#self)), row });
    this.#envelopeBytes += envelope.length;
    this.#ofHome.set(row.home, this.grantsOf(row.home) + 1);
  }
}

const prunedAtOnce = 1_000;

function requestName(grantId: Hex, readId: string): string {
  return `${grantId.slice(2)}${readId}`;
}

function erasedName(grantId: Hex): string {
  return toHex(sha256(bytesOfHex(grantId, 32)));
}
