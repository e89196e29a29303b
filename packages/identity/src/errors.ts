import { Condition } from '@pulsemesh/base';

/** The key file or passphrase does not open the identity (or somebody altered it: the two look alike). */
export class WrongKeyError extends Condition {
  override readonly name = 'WrongKeyError';
  constructor(file: string, protection: Protection, given: Protection) {
    const text =
      protection === given
        ? `the ${nameOf(given)} does not open it`
        : `it is under a ${nameOf(protection)}, not a ${nameOf(given)}`;
    super('wrong-key', `identity ${file}: ${text}`, { facts: { file, protection, given } });
  }
}

/** Others than its owner may read or replace the key file (POSIX). It is not used: make it mode 0600 and owned by the node's user. */
export class KeyFileExposedError extends Condition {
  override readonly name = 'KeyFileExposedError';
  constructor(file: string, mode: string) {
    super('key-file-exposed', `key file ${file} has mode ${mode} or another owner: make it 0600 and the node's own`, {
      facts: { file, mode },
    });
  }
}

/** There is an identity, but not the key file it was sealed under. No new key is made: it could not open it. */
export class KeyFileMissingError extends Condition {
  override readonly name = 'KeyFileMissingError';
  constructor(file: string, keyFile: string) {
    super('key-file-missing', `identity ${file} exists, but its key file ${keyFile} does not`, {
      facts: { file, keyFile },
    });
  }
}

/** The identity or key file is cut, or not such a file at all. */
export class IdentityDamagedError extends Condition {
  override readonly name = 'IdentityDamagedError';
  constructor(file: string, options: { readonly cause?: unknown } = {}) {
    super('identity-damaged', `${file} is damaged or not what it should be`, { facts: { file }, ...options });
  }
}

/** The operating system did not let the file be read or written; `cause` says why. */
export class IdentityFileError extends Condition {
  override readonly name = 'IdentityFileError';
  constructor(file: string, operation: 'read' | 'write', options: { readonly cause?: unknown } = {}) {
    super('identity-file', `cannot ${operation} ${file}`, { facts: { file, operation }, ...options });
  }
}

/** There is no identity where one was expected; this call makes none. */
export class IdentityMissingError extends Condition {
  override readonly name = 'IdentityMissingError';
  constructor(file: string) {
    super('identity-missing', `there is no identity at ${file}`, { facts: { file } });
  }
}

/** There is an identity already where one was to be made; it is left as it is. */
export class IdentityExistsError extends Condition {
  override readonly name = 'IdentityExistsError';
  constructor(file: string) {
    super('identity-exists', `there is an identity at ${file} already`, { facts: { file } });
  }
}

/** Others changed the identity file again and again while this call tried to. Nothing of this call was written. */
export class IdentityChangedError extends Condition {
  override readonly name = 'IdentityChangedError';
  constructor(file: string) {
    super('identity-changed', `identity ${file} was being changed by somebody else`, {
      facts: { file },
      retryable: true,
    });
  }
}

/** The platform's keystore is not there, refused, or answered something else. The text says what to install or do. */
export class KeyStoreError extends Condition {
  override readonly name = 'KeyStoreError';
  constructor(store: string, what: string, options: { readonly cause?: unknown } = {}) {
    super('keystore', `keystore ${store}: ${what}`, { facts: { store }, ...options });
  }
}

/** What an identity file is sealed under. */
export type Protection = 'key-file' | 'passphrase' | 'keystore';

const protectionNames: Readonly<Record<Protection, string>> = {
  'key-file': 'key file',
  passphrase: 'passphrase',
  keystore: 'keystore',
};

function nameOf(protection: Protection): string {
  return protectionNames[protection];
}
