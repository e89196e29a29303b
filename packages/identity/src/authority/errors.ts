import { Condition } from '@pulsemesh/base';

const refusalTexts = {
  malformed: 'the request is not one, or not of this version',
  'bad-signature': 'the request is not signed by the key it names',
  'other-authority': 'the request is meant for another authority',
  'request-time': 'the request was made at another time: is the clock right?',
  'token-unknown': 'this token is not known: it was used up, it has expired, or it was copied wrongly',
  'token-mismatch': 'the token is for another organisation or role than the request',
  'organisation-missing': 'a request without a token names its organisation and its role',
  'too-many-guesses': 'too many unknown tokens came lately: try again in a minute',
  'too-many-requests': 'too many requests came from there: try again in a minute',
  'too-many-certificates': 'the agent holds as many certificates as it may: use one of them',
  'authority-full': 'the authority holds as many of these as it may',
  'authority-busy': 'the authority is busy: try again',
  'request-unknown': 'no such request is known here',
  'request-decided': 'this request was decided already',
  'agent-unknown': 'this key was never enrolled here',
  'agent-revoked': 'this key was revoked: enrol with a new one',
  'certificate-unknown': 'no certificate of that number is known here',
  'name-not-permitted': 'the authority was not made for a server of that name: name it with `authority init --name`',
  'renewal-late': 'the certificate ran out too long ago: enrol anew',
  'method-unknown': 'the authority does not know this method',
  'not-an-operator': 'this is for the operator, who shows the operator token',
} as const;

/** Why the authority refuses. */
export type AuthorityRefusal = keyof typeof refusalTexts;

const retryableRefusals: readonly AuthorityRefusal[] = [
  'too-many-guesses',
  'too-many-requests',
  'authority-busy',
  'authority-full',
];

/** The authority does not do what it was asked. Nothing changed. */
export class AuthorityRefusedError extends Condition {
  override readonly name = 'AuthorityRefusedError';
  declare readonly code: AuthorityRefusal;
  constructor(code: AuthorityRefusal, options: { readonly cause?: unknown } = {}) {
    super(code, refusalTexts[code], { retryable: retryableRefusals.includes(code), ...options });
  }

  /** What `read` gives; whatever it throws becomes `malformed`. For parsers, which have no side effect. */
  static reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof AuthorityRefusedError) throw error;
      throw new AuthorityRefusedError('malformed', { cause: error });
    }
  }
}

/** The folder of an authority is not there, there already, or damaged. */
export class AuthorityFolderError extends Condition {
  override readonly name = 'AuthorityFolderError';
  constructor(
    code: 'authority-missing' | 'authority-exists' | 'authority-damaged',
    directory: string,
    cause?: unknown,
  ) {
    const texts = {
      'authority-missing': `there is no identity authority in ${directory}`,
      'authority-exists': `there is an identity authority in ${directory} already`,
      'authority-damaged': `the identity authority in ${directory} is damaged`,
    };
    super(code, texts[code], { facts: { directory }, cause });
  }
}

const tokenTexts = {
  'token-malformed': 'this is no enrolment token: it begins with pm1. and has six parts',
  'token-checksum': 'the enrolment token was copied wrongly or cut: ask for it again, whole',
  'token-too-long': 'this is no enrolment token: it is too long',
} as const;

/** Why a token text is not taken. */
export type EnrolmentTokenFault = keyof typeof tokenTexts;

/** A text is no enrolment token. Never says what stands in it. */
export class EnrolmentTokenError extends Condition {
  override readonly name = 'EnrolmentTokenError';
  declare readonly code: EnrolmentTokenFault;
  constructor(code: EnrolmentTokenFault) {
    super(code, tokenTexts[code]);
  }
}

const enrolmentTexts = {
  'authority-impostor': 'whoever answered is not the authority that the token names: nothing was taken over',
  'certificate-unusable': 'the authority answered with a certificate that does not hold for this key',
  'answer-malformed': 'the authority answered something that is not understood',
  'enrolment-refused': 'the operator refused this enrolment',
  'enrolment-damaged': 'what is kept of the enrolment is damaged: remove it and enrol anew',
  'not-enrolled': 'this agent is not enrolled',
} as const;

/** Why an agent is not enrolled. */
export type EnrolmentFault = keyof typeof enrolmentTexts;

/** The agent's side of enrolment cannot go on. */
export class EnrolmentError extends Condition {
  override readonly name = 'EnrolmentError';
  declare readonly code: EnrolmentFault;
  constructor(code: EnrolmentFault, options: { readonly cause?: unknown } = {}) {
    super(code, enrolmentTexts[code], options);
  }
}
