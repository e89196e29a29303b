import { Condition, errorCode } from '@pulsemesh/base/errors';
import { EngineFailedError, EngineUnavailableError } from '../../errors.ts';

// Classes and codes: PostgreSQL 15 manual, appendix A.

/** Two transactions stood in each other's way, and this one was undone: it is run again. */
const conflictCodes = new Set(['40001', '40P01']);
/** The server has no room. */
const fullCodes = new Set(['53100']);
/** Classes that pass: connection, resources, operator intervention (shutdown, failover), system, lock not available. */
const passingClasses = new Set(['08', '53', '57', '58', '55', '40']);
/** A server that was primary and is none now answers so. */
const readOnlyCode = '25006';

export function isConflict(error: unknown): boolean {
  return conflictCodes.has(errorCode(error));
}

export function isFull(error: unknown): boolean {
  return error instanceof Condition ? isFull(error.cause) : fullCodes.has(errorCode(error));
}

/** True where a server answered with an SQL state, so that the connection goes on. */
export function isSqlState(error: unknown): boolean {
  return /^[0-9A-Z]{5}$/.test(errorCode(error)) && typeof error === 'object' && error !== null && 'severity' in error;
}

/** True where the connection must not be used again: it is gone, or its server is none to write to. */
export function breaksConnection(error: unknown): boolean {
  if (!isSqlState(error)) return true;
  const code = errorCode(error);
  return code === readOnlyCode || code.startsWith('08') || code.startsWith('57P');
}

/** What is told of any error of the database: its text may quote what it choked on, and stays behind as the cause. */
export function asCondition(error: unknown): Condition {
  if (error instanceof Condition) return error;
  if (!isSqlState(error)) return new EngineUnavailableError('the connection failed', { cause: error });
  const code = errorCode(error);
  const isPassing = code === readOnlyCode || passingClasses.has(code.slice(0, 2));
  const options = { cause: error };
  return isPassing
    ? new EngineUnavailableError(`SQL state ${code}`, options)
    : new EngineFailedError(`SQL state ${code}`, options);
}
