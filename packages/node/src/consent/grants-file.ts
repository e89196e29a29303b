import { errorCode, type Logger } from '@pulsemesh/base';
import type { OpenHomeOffice } from '@pulsemesh/ledger';
import { writeFileAtomically } from '../relay/write-file.ts';

/** What a register of consents takes for far enough: its times are ISO dates. */
const farthestMs = Date.UTC(2199, 0, 1);

/**
 * Keeps a home's grants in a file that a site of learning reads beside its own register (`site.grantsFile`): written at once, and again
 * whenever something changes, so that a withdrawal counts from the next round on. Pseudonyms, purposes and times, nothing else. Dispose to stop.
 */
export function keepGrantsFile(
  { file, purposes }: { readonly file: string; readonly purposes: readonly string[] },
  office: Pick<OpenHomeOffice, 'standingGrants' | 'onChange'>,
  { logger }: { readonly logger: Logger },
): Disposable {
  const write = () => {
    try {
      const rows = purposes.flatMap((purpose) => office.standingGrants(purpose)).map(rowOf);
      writeFileAtomically(file, `${JSON.stringify(rows, null, 2)}\n`);
    } catch (error) {
      logger.error('the file of grants cannot be written: learning goes by an old one', { code: errorCode(error) });
    }
  };
  write();
  return office.onChange(write);
}

function rowOf({
  id,
  patient,
  purposes,
  fromMs,
  untilMs,
  withdrawnMs,
}: ReturnType<OpenHomeOffice['standingGrants']>[0]) {
  const at = (ms: number) => new Date(Math.min(ms, farthestMs)).toISOString();
  const withdrawn = withdrawnMs === null ? {} : { withdrawn: at(withdrawnMs) };
  return { id, patient, purposes, from: at(fromMs), until: at(untilMs), ...withdrawn };
}
