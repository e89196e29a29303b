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

/** More waits than the store holds; `limit` names which. Nothing changed. Retryable. */
export class StoreBusyError extends Condition {
  override readonly name = 'StoreBusyError';
  constructor(limit: string) {
    super('store-busy', `too much waits for the store: ${limit}`, { facts: { limit }, retryable: true });
  }
}

/** The store was closed. */
export class StoreClosedError extends Condition {
  override readonly name = 'StoreClosedError';
  constructor() {
    super('store-closed', 'the store is closed');
  }
}

/** Another process holds the store locked. Nothing changed. Retryable. */
export class StoreInUseError extends Condition {
  override readonly name = 'StoreInUseError';
  constructor(options: { readonly cause?: unknown } = {}) {
    super('store-in-use', 'another process holds the store locked', { retryable: true, ...options });
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
