import { Condition } from '@pulsemesh/base';

const texts = {
  stranger:
    'its author is not admitted: the operator of the board admits a peer id with `pulsemesh board admit`, or an authority that the board trusts lets it in',
  'entries-a-day':
    'its author has added as many entries as one may in a day: try again tomorrow, or ask the operator for more',
  'bytes-a-day':
    'its author has added as many bytes as one may in a day: try again tomorrow, or ask the operator for more',
} as const;

/** Why an author may not add now. */
export type AdmissionRefusal = keyof typeof texts;

/** An entry whose author may not add it, or not now. Nothing was charged. */
export class NotAdmittedError extends Condition {
  override readonly name = 'NotAdmittedError';
  readonly refusal: AdmissionRefusal;
  constructor(refusal: AdmissionRefusal) {
    super('not-admitted-to-board', `the entry is refused: ${texts[refusal]}`, {
      facts: { refusal },
      // Tomorrow, without anybody doing anything.
      retryable: refusal !== 'stranger',
    });
    this.refusal = refusal;
  }
}
