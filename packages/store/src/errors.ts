import { Condition } from '@pulsemesh/base';

/** No room: below the free-space reserve, past the size limit, or the disk said so. Nothing changed. Retryable once there is room. */
export class StoreFullError extends Condition {
  override readonly name = 'StoreFullError';
  constructor(reason: string, options: { readonly cause?: unknown } = {}) {
    super('store-full', `the store is full: ${reason}`, { facts: { reason }, retryable: true, ...options });
  }
}

/** The disk failed. What is on it is unknown until it is read again: stop the process, do not retry in it. */
export class StoreFailedError extends Condition {
  override readonly name = 'StoreFailedError';
  constructor(operation: string, options: { readonly cause?: unknown } = {}) {
    super('store-failed', `the store failed: ${operation}`, { facts: { operation }, ...options });
  }
}

/** More writes wait than the store holds. Nothing changed. Retryable. */
export class StoreBusyError extends Condition {
  override readonly name = 'StoreBusyError';
  constructor(waitingBytesMax: number) {
    super('store-busy', `more than ${waitingBytesMax} bytes wait to be written`, {
      facts: { waitingBytesMax },
      retryable: true,
    });
  }
}

/** The store was closed. */
export class StoreClosedError extends Condition {
  override readonly name = 'StoreClosedError';
  constructor() {
    super('store-closed', 'the store is closed');
  }
}

/** Another process has the store open. Retryable once it has ended. */
export class StoreInUseError extends Condition {
  override readonly name = 'StoreInUseError';
  constructor(options: { readonly cause?: unknown } = {}) {
    super('store-in-use', 'another process has the store open', { retryable: true, ...options });
  }
}

/** Written by a newer version of the program, or not by it at all. Nothing was changed. */
export class StoreSchemaError extends Condition {
  override readonly name = 'StoreSchemaError';
  constructor(found: string, known: number) {
    super('store-schema', `the store has schema ${found}, this program knows ${known} and older`, {
      facts: { found, known },
    });
  }
}

/** What was asked lies outside the interface's limits. Nothing changed. */
export class StoreLimitError extends Condition {
  override readonly name = 'StoreLimitError';
  constructor(limit: string) {
    super('store-limit', `outside the store's limits: ${limit}`, { facts: { limit } });
  }
}
