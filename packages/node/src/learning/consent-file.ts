import { readFile } from 'node:fs/promises';
import { errorCode } from '@pulsemesh/base';
import { type Consent, type ConsentRegister, DataError } from '@pulsemesh/learning';
import { z } from 'zod';

const fileBytesMax = 16 * 1024 * 1024;
const time = z.iso.datetime({ offset: true });
const schema = z.array(
  z.strictObject({
    id: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 digits of lower-case hex'),
    patient: z.string().min(1).max(255),
    purposes: z.array(z.string().min(1).max(128)).min(1).max(64),
    from: time,
    until: time,
    withdrawn: time.optional(),
  }),
);

/**
 * A site's own register of consents: a JSON file that is read at each question, so that a withdrawal counts from the next round on.
 * `[{"id": 64 hex digits, "patient", "purposes": ["research/rhythm"], "from", "until", "withdrawn"?}]`, times with their zone.
 * What it gives throws {@link DataError} `data-missing`, `data-malformed`, `data-too-large`.
 */
export function openConsentFile(file: string): ConsentRegister {
  return {
    async consentsFor(purpose): Promise<readonly Consent[]> {
      const rows = parse(await read(file), file);
      return rows
        .filter(({ purposes }) => purposes.includes(purpose))
        .map(({ from, until, withdrawn, ...consent }) => ({
          ...consent,
          fromMs: Date.parse(from),
          untilMs: Date.parse(until),
          withdrawnMs: withdrawn === undefined ? null : Date.parse(withdrawn),
        }));
    },
  };
}

/** Several registers as one: of a site's own file, and of the grants on a ledger. */
export function joinConsents(registers: readonly ConsentRegister[]): ConsentRegister {
  return {
    consentsFor: async (purpose) => (await Promise.all(registers.map((one) => one.consentsFor(purpose)))).flat(),
  };
}

async function read(file: string): Promise<string> {
  try {
    const bytes = await readFile(file);
    if (bytes.length > fileBytesMax)
      throw new DataError('data-too-large', `the register of consents is longer than ${fileBytesMax} bytes`);
    return bytes.toString('utf8');
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError('data-missing', `the register of consents cannot be read (${errorCode(cause)})`, { cause });
  }
}

function parse(text: string, file: string): z.output<typeof schema> {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    const place = cause instanceof z.ZodError ? cause.issues[0]?.path.map(String).join('.') : 'JSON';
    throw new DataError('data-malformed', `the register of consents is malformed at ${place}`, {
      facts: { file },
      cause,
    });
  }
}
