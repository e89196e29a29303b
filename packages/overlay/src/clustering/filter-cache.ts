import type { Descriptor } from '../descriptor.ts';
import { interestDigestOf } from '../descriptor.ts';
import {
  decodeFilter,
  FilterRefusedError,
  type FilterShape,
  type InterestFilter,
  sameShape,
} from '../interest/interest-filter.ts';
import { isCopyOf } from '../interest/similarity.ts';
import { RecentMap } from './recent-map.ts';

/** What a filter must be like to be kept. */
export interface FilterTerms {
  readonly shape: FilterShape;
  /** The filter epoch we are in; a filter of the one before or after is kept too, for clocks and renewals differ. */
  readonly epoch: number;
  /** Our own filter as shown, if any. */
  readonly own: InterestFilter | undefined;
}

/** Why a filter is not kept. */
export type FilterRefusal = 'filter-malformed' | 'filter-shape' | 'filter-epoch' | 'filter-copied';

/** Others' filters by their digests, as many as are allowed, the one that was in use longest ago forgotten first. */
export class FilterCache {
  readonly #filters: RecentMap<string, InterestFilter>;

  constructor(filtersMax: number) {
    this.#filters = new RecentMap(filtersMax);
  }

  /** The filter a descriptor names, where it is known. */
  of(descriptor: Descriptor): InterestFilter | undefined {
    return descriptor.interestDigest && this.#filters.peek(digestText(descriptor.interestDigest));
  }

  /** The filter with this digest, see {@link digestText}. */
  get(digest: string): InterestFilter | undefined {
    return this.#filters.peek(digest);
  }

  /** Puts the filters of these among the last to be forgotten. Looking them up does not: that happens too often. */
  keep(descriptors: Iterable<Descriptor>): void {
    for (const { interestDigest } of descriptors) {
      if (interestDigest !== undefined) this.#filters.get(digestText(interestDigest));
    }
  }

  /** Lets one go: its owner shows another one. */
  forget(digest: string): void {
    this.#filters.delete(digest);
  }

  /** Reads and keeps a filter; gives the reason where it does not. The caller has checked that it was asked for. */
  put(digest: string, bytes: Uint8Array, terms: FilterTerms): FilterRefusal | undefined {
    if (this.#filters.get(digest) !== undefined) return undefined;
    let filter: InterestFilter;
    try {
      filter = decodeFilter(bytes);
    } catch (error) {
      if (error instanceof FilterRefusedError) return 'filter-malformed';
      throw error;
    }
    if (!sameShape(filter.shape, terms.shape)) return 'filter-shape';
    if (Math.abs(filter.epoch - terms.epoch) > 1) return 'filter-epoch';
    if (terms.own !== undefined && isCopyOf(terms.own, filter)) return 'filter-copied';
    this.#filters.set(digest, filter);
    return undefined;
  }
}

/** The key of a digest. Remembered with the array, as a digest is looked up at each choice. */
export function digestText(digest: Uint8Array): string {
  let text = texts.get(digest);
  if (text === undefined) {
    text = String.fromCharCode(...digest);
    texts.set(digest, text);
  }
  return text;
}

/** The key of the digest of an encoded filter. Remembered with the array. */
export function digestTextOf(filterBytes: Uint8Array): string {
  let digest = digests.get(filterBytes);
  if (digest === undefined) {
    digest = interestDigestOf(filterBytes);
    digests.set(filterBytes, digest);
  }
  return digestText(digest);
}

const texts = new WeakMap<Uint8Array, string>();
const digests = new WeakMap<Uint8Array, Uint8Array>();
