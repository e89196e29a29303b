import { errorCode, type Logger } from '@pulsemesh/base';
import type { Box } from '@pulsemesh/crypto';
import type { SubjectId } from '@pulsemesh/network';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { decodeCbor, encodeCbor, fromHex } from '@pulsemesh/wire';
import { AlertFold, encodeFold, type FoldRecord, parseFold } from './fold.ts';
import { aggregationTables } from './log.ts';

/** A fold, and whether this peer has made its newest step and nobody else can have made another since. */
export interface KnownFold {
  readonly fold: AlertFold;
  readonly isSure: boolean;
}

/**
 * The newest alert fold of each patient that this peer knows: made here (kept on disk too), or told by the peer that
 * made it. Storage has them all, but while one of two storage peers is down perhaps not the newest, and going on from
 * an older one would raise an alert again under another name.
 */
export class Folds {
  readonly #tables: TableStore;
  readonly #box: Box;
  readonly #logger: Logger;
  readonly #subjectsMax: number;
  readonly #folds = new Map<SubjectId, KnownFold>();

  constructor(
    subjectsMax: number,
    dependencies: { readonly tables: TableStore; readonly box: Box; readonly logger: Logger },
  ) {
    this.#subjectsMax = subjectsMax;
    this.#tables = dependencies.tables;
    this.#box = dependencies.box;
    this.#logger = dependencies.logger;
  }

  /** A copy to go on from, or undefined when this peer knows nothing of the patient. */
  copy(subjectId: SubjectId): KnownFold | undefined {
    const known = this.#folds.get(subjectId);
    if (known !== undefined) return { fold: known.fold.clone(), isSure: known.isSure };
    const record = this.#read(subjectId);
    return record === undefined ? undefined : { fold: new AlertFold(subjectId, record), isSure: false };
  }

  /** What was folded here is in storage now. `isSure`: the patient is this peer's, nobody else folds. */
  keep(subjectId: SubjectId, fold: AlertFold, isSure: boolean): void {
    this.#folds.delete(subjectId);
    this.#folds.set(subjectId, { fold, isSure });
    const oldest = this.#folds.keys().next().value;
    if (this.#folds.size > this.#subjectsMax && oldest !== undefined) this.#folds.delete(oldest);
  }

  /** What another peer folded; an older one than is known changes nothing. */
  told(subjectId: SubjectId, record: FoldRecord): void {
    const known = this.copy(subjectId);
    if (known !== undefined && !known.fold.isBehind(record)) return;
    this.keep(subjectId, new AlertFold(subjectId, record), false);
  }

  /** The owners may have changed: of patients that are another's, that one knows more from now on. */
  doubt(isOwned: (subjectId: SubjectId) => boolean): void {
    for (const [subjectId, { fold, isSure }] of this.#folds) {
      if (isSure && !isOwned(subjectId)) this.#folds.set(subjectId, { fold, isSure: false });
    }
  }

  /** What to write beside the transaction that finishes the window. */
  put(subjectId: SubjectId, record: FoldRecord): TableChange {
    const key = fromHex(subjectId);
    const value = this.#box.seal(encodeCbor(encodeFold(record)), key);
    return { kind: 'put', table: aggregationTables.folds, key, value };
  }

  #read(subjectId: SubjectId): FoldRecord | undefined {
    const key = fromHex(subjectId);
    const value = this.#tables.get(aggregationTables.folds, key);
    if (value === undefined) return undefined;
    try {
      return parseFold(decodeCbor(this.#box.open(value, key)));
    } catch (error) {
      this.#logger.error('an alert fold on disk does not open', { code: errorCode(error) });
      return undefined;
    }
  }
}
