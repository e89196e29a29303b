import { Condition } from '@pulsemesh/base';

const texts = {
  size: 'it is longer than an entry may be',
  form: 'it is not an entry, or not of this version',
  kind: 'its kind is not known here',
  body: 'its body is not one of its kind',
  signature: 'its signature is not that of its author, for this board',
  repeated: 'the board has it already',
  card: 'its card is not one of the key it is about',
  'not-own-key': 'a key is enrolled and rotated by itself',
  'not-authority': 'a key is revoked by itself or by an authority of the board',
  'key-revoked': 'the key of its author, or the one it is about, was revoked',
  'key-order': 'the key it is about is enrolled already, or not yet',
  'not-enrolled': 'its author enrolled no key on the board',
  'no-task': 'the board has no such task',
  'not-invited': 'the task does not invite its author',
  'not-party': 'only the aggregator of the task, or a site where there is none, may write it',
  'no-contract': 'its author has no contract for the task',
} as const;

/** Why something is not taken as an entry. */
export type EntryRefusal = keyof typeof texts;

/** Something is not an entry of this board. Never says what stands in it. Not retryable. */
export class EntryRefusedError extends Condition {
  override readonly name = 'EntryRefusedError';
  readonly refusal: EntryRefusal;
  constructor(refusal: EntryRefusal, options: { readonly cause?: unknown; readonly where?: string } = {}) {
    const { where, cause } = options;
    const place = where === undefined || where === '' ? '' : ` (${where})`;
    super('entry-refused', `the entry is refused: ${texts[refusal]}${place}`, {
      facts: { refusal, ...(where === undefined ? {} : { where }) },
      ...(cause === undefined ? {} : { cause }),
    });
    this.refusal = refusal;
  }
}
