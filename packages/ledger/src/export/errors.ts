import { Condition } from '@pulsemesh/base';

/** More than one export holds: ask for a shorter time. */
export class ExportLimitError extends Condition {
  override readonly name = 'ExportLimitError';
  constructor(limit: string, max: number) {
    super('export-limit', `an export holds at most ${max} ${limit}: export a shorter time`, { facts: { limit, max } });
  }
}

/** What was read is no export of ours: `where` says at which entry, line or field. */
export class ExportMalformedError extends Condition {
  override readonly name = 'ExportMalformedError';
  constructor(where: string) {
    super('export-malformed', `the export is malformed: ${where}`, { facts: { where } });
  }
}
