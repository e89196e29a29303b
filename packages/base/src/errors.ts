/** Facts about a condition: small, printable, never a secret, a key or a patient's data. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface ConditionOptions {
  readonly facts?: ErrorFacts;
  /** True where the same call may succeed later without anybody changing anything. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/**
 * A condition the program expects and names: a stable `code` for machines, a sentence for people,
 * the facts as fields. Subclasses fix the `name`; callers branch on `code` or `retryable`.
 */
export class Condition extends Error {
  readonly code: string;
  readonly facts: ErrorFacts;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: ConditionOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Condition';
    this.code = code;
    this.facts = options.facts ?? {};
    this.retryable = options.retryable ?? false;
  }
}

/** A bug in Pulsemesh itself: never caught to go on, it stops the node. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws an {@link AssertionError} when `condition` does not hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Ends a `switch` over a tagged union: reaching it is a bug. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}

/** The stable code of any thrown value: a condition's own, Node's `code`, or `unknown`. */
export function errorCode(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') {
    return error.code;
  }
  return 'unknown';
}

/** A one-line text of any thrown value, for logs and people. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const framesMax = 10;

/**
 * What a log may say of any thrown value. The texts of our own errors hold no data and are given; those of others may
 * quote what they choked on (a name, a measurement), so that only the kind and the place are told.
 */
export function errorForLog(error: unknown): { readonly code: string; readonly text: string } {
  const code = errorCode(error);
  if (error instanceof Condition || error instanceof AssertionError) return { code, text: error.message };
  if (!(error instanceof Error)) return { code, text: `thrown: ${typeof error}` };
  // The message stands in the stack too, and could itself look like frames.
  const frames = (error.stack ?? '').replace(error.message, () => '').match(/^ +at .+$/gm) ?? [];
  const places = frames.slice(0, framesMax).map((frame) => frame.trim());
  return { code, text: [error.constructor.name, ...places].join(' ') };
}
