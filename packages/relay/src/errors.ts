import { Condition } from '@pulsemesh/base/errors';

/** The engine was disposed. */
export class EngineClosedError extends Condition {
  override readonly name = 'EngineClosedError';
  constructor() {
    super('engine-closed', 'the mailbox engine is closed');
  }
}

/**
 * The shared engine cannot be reached now, or broke off: what was asked may have happened or not. Retryable; all that an engine does
 * is idempotent.
 */
export class EngineUnavailableError extends Condition {
  override readonly name = 'EngineUnavailableError';
  constructor(reason: string, options: { readonly cause?: unknown } = {}) {
    super('engine-unavailable', `the mailbox engine cannot be reached: ${reason}`, {
      facts: { reason },
      retryable: true,
      ...options,
    });
  }
}

/** More waits for the shared engine than one relay may have waiting. Retryable. */
export class EngineBusyError extends Condition {
  override readonly name = 'EngineBusyError';
  constructor(limit: string) {
    super('engine-busy', `too much waits for the mailbox engine: ${limit}`, { facts: { limit }, retryable: true });
  }
}

/** The shared engine would acknowledge what a power cut can take away. `setting` names what to change. */
export class EngineUnsafeError extends Condition {
  override readonly name = 'EngineUnsafeError';
  constructor(setting: string, value: string, wanted: string) {
    const text = `the mailbox engine is not durable: ${setting} is ${value}, it must be ${wanted} (--unsafe-durability runs it all the same)`;
    super('engine-unsafe', text, { facts: { setting, value, wanted } });
  }
}

/** The shared engine refuses for good: a login, a permission, a schema, a bug. The process should stop. */
export class EngineFailedError extends Condition {
  override readonly name = 'EngineFailedError';
  constructor(reason: string, options: { readonly cause?: unknown } = {}) {
    super('engine-failed', `the mailbox engine failed: ${reason}`, { facts: { reason }, ...options });
  }
}

/** The address of an engine is none that can be used. Its text is not told: there may be a password in it. */
export class EngineUrlError extends Condition {
  override readonly name = 'EngineUrlError';
  constructor(what: string) {
    super('engine-url', `the address of the mailbox engine: ${what}`, { facts: { what } });
  }
}
