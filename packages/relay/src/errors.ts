import { Condition } from '@pulsemesh/base/errors';

/** The engine was disposed. */
export class EngineClosedError extends Condition {
  override readonly name = 'EngineClosedError';
  constructor() {
    super('engine-closed', 'the mailbox engine is closed');
  }
}
