import { errorCode, errorForLog, unreachable } from '@pulsemesh/base';
import { StoreFailedError, StoreFullError, StoreInUseError, StoreSchemaError } from '@pulsemesh/store';
import { ChainAddressError, ChainDamagedError, OtherChainError } from '../errors.ts';
import type { ThreadFault } from './messages.ts';

/** What carries a condition over the thread's border. */
export function faultOf(error: unknown): ThreadFault {
  if (error instanceof StoreInUseError) return { kind: 'in-use' };
  if (error instanceof StoreFullError) return { kind: 'full', reason: String(error.facts['reason']) };
  if (error instanceof StoreSchemaError) {
    return { kind: 'schema', found: String(error.facts['found']), known: Number(error.facts['known']) };
  }
  if (error instanceof OtherChainError) return { kind: 'other', what: String(error.facts['what']) };
  if (error instanceof ChainDamagedError) {
    const block = error.facts['block'];
    return { kind: 'damaged', what: String(error.facts['kind']), block: typeof block === 'number' ? block : null };
  }
  if (error instanceof ChainAddressError) {
    return { kind: 'address', place: String(error.facts['place']), refusal: String(error.facts['refusal']) };
  }
  if (error instanceof StoreFailedError) return { kind: 'failed', text: error.message };
  return { kind: 'failed', text: `${errorCode(error)} ${errorForLog(error).text}` };
}

/** The condition again. */
export function conditionOf(fault: ThreadFault): Error {
  switch (fault.kind) {
    case 'in-use':
      return new StoreInUseError();
    case 'full':
      return new StoreFullError(fault.reason);
    case 'schema':
      return new StoreSchemaError(fault.found, fault.known);
    case 'other':
      return new OtherChainError(fault.what);
    case 'damaged':
      return new ChainDamagedError(fault.what, fault.block);
    case 'address':
      return new ChainAddressError(fault.place, fault.refusal);
    case 'failed':
      return new StoreFailedError('start', { cause: new Error(fault.text) });
    default:
      return unreachable(fault);
  }
}
