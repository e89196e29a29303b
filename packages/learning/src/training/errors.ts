import { Condition } from '@pulsemesh/base';

/**
 * Why a site cannot train or a sum cannot be used: `training-unfit` the task is none of the model's, `training-no-records` no patient's
 * consent covers it now, `training-update-malformed` the model gave no finite weights, `training-sum-out-of-bounds` no honest sites
 * can have sent what adds up to this.
 */
export class TrainingError extends Condition {
  override readonly name = 'TrainingError';
  constructor(
    code: 'training-unfit' | 'training-no-records' | 'training-update-malformed' | 'training-sum-out-of-bounds',
    message: string,
    cause?: unknown,
  ) {
    super(code, message, { cause });
  }
}
