import { Condition } from '@pulsemesh/base';

/** The configuration cannot be used as it stands: says which setting, and why. Not retryable. */
export class ConfigError extends Condition {
  override readonly name = 'ConfigError';
  constructor(setting: string, why: string, cause?: unknown) {
    super('config-invalid', `${setting}: ${why}`, { facts: { setting }, cause });
  }
}
