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

/** What kind of signed statement was refused. */
export type StatementKind = 'card' | 'succession' | 'device-request' | 'device-list';

const statementTexts = {
  'statement-malformed': 'it is not one, or not of this version',
  'statement-signature': 'its signature is not that of the key it names',
  'statement-expired': 'it has expired',
  'statement-future': 'it says it was made in the future',
  'statement-too-long': 'it is longer than allowed',
  'statement-checksum': 'it was copied wrongly or cut: the checksum does not fit',
  'statement-older': 'a newer one is known',
  'statement-conflict': 'another one of the same version is known',
  'statement-chain': 'it does not follow the one that is known',
  'statement-other-person': 'it is of another person',
  'statement-removed-device': 'it brings back a device that was removed',
} as const;

/** Why a statement was refused. */
export type StatementRefusal = keyof typeof statementTexts;

/** A card, device list or succession is not taken. Nothing that was known is changed. Never says what stands in it. */
export class StatementRefusedError extends Condition {
  override readonly name = 'StatementRefusedError';
  declare readonly code: StatementRefusal;
  constructor(kind: StatementKind, code: StatementRefusal, options: { readonly cause?: unknown } = {}) {
    super(code, `this ${kind.replace('-', ' ')} is refused: ${statementTexts[code]}`, { facts: { kind }, ...options });
  }

  /** What `read` gives; whatever it throws becomes `statement-malformed`. For parsers, which have no side effect. */
  static reading<T>(kind: StatementKind, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof StatementRefusedError) throw error;
      throw new StatementRefusedError(kind, 'statement-malformed', { cause: error });
    }
  }
}

/** A card directory cannot take a card, or cannot be read. `retryable` is false for all. */
export class CardDirectoryError extends Condition {
  override readonly name = 'CardDirectoryError';
  declare readonly code: CardDirectoryFault;
  constructor(code: CardDirectoryFault, options: { readonly cause?: unknown } = {}) {
    super(code, cardDirectoryTexts[code], options);
  }
}

const cardDirectoryTexts = {
  'card-key-changed': 'this card has a name that is known with another key: it is refused until somebody decides',
  'card-succeeded': 'the key of this card has named a successor: its cards count no more',
  'card-succession-conflict':
    'the former key of this card has named another successor before: somebody else may hold it',
  'card-directory-full': 'the card directory is full',
  'card-directory-damaged':
    'the state of the card directory is damaged: restore it, or remove it and check every name again',
  'card-directory-file': 'the card directory cannot be read or written',
} as const;

/** What can be wrong with a card directory. */
export type CardDirectoryFault = keyof typeof cardDirectoryTexts;

/** A device list cannot be changed this way. */
export class DeviceListError extends Condition {
  override readonly name = 'DeviceListError';
  declare readonly code: DeviceListFault;
  constructor(code: DeviceListFault) {
    super(code, deviceListTexts[code]);
  }
}

const deviceListTexts = {
  'device-unknown': 'no device with this peer id is in the list',
  'device-removed': 'this device was removed: it takes part again only with a new key',
  'device-known': 'this device is in the list already, with this request or a newer one',
  'device-other-person': 'this device asks to be somebody else’s',
  'device-list-full': 'the device list is full: remove a device first',
  'device-list-used-up': 'too many devices were removed over time: succeed the person’s key and begin a new list',
} as const;

/** What can be wrong with a change of a device list. */
export type DeviceListFault = keyof typeof deviceListTexts;
