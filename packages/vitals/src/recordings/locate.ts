import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RecordingError } from './recording.ts';

const beside = fileURLToPath(new URL('../../../../../shared/data', import.meta.url));

/**
 * The folder with the public recordings (`rr/`, `wfdb/`, `monitor/`): `PULSEMESH_RECORDINGS` (that folder or its `rr`),
 * else `../shared/data` beside the project; null where neither is there. For tests and developers' commands.
 * @throws {RecordingError} when it is absent although `CI` is `true`: there a skip would go unseen.
 */
export function locateRecordings(environment: NodeJS.ProcessEnv): string | null {
  const named = environment['PULSEMESH_RECORDINGS'];
  const candidates = named === undefined || named === '' ? [beside] : [resolve(named), resolve(named, '..')];
  const found = candidates.find((candidate) => existsSync(resolve(candidate, 'rr')));
  if (found !== undefined) return found;
  if (environment['CI'] === 'true') {
    throw new RecordingError('recording-missing', 'the public recordings are not there, and CI asks for them', {});
  }
  return null;
}
