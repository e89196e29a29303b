import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@pulsemesh/base';
import type { StandingGrant } from '@pulsemesh/ledger';
import { expect, it } from 'vitest';
import { joinConsents, openConsentFile } from '../learning/consent-file.ts';
import { keepGrantsFile } from './grants-file.ts';

it('is read by a site of learning beside its own register, and says at once what was withdrawn', async () => {
  const place = mkdtempSync(join(tmpdir(), 'pulsemesh-grants-'));
  const file = join(place, 'grants.json');
  const grant: StandingGrant = {
    ...{ id: 'ab'.repeat(32), patient: 'cd'.repeat(16), purposes: ['research/rhythm'] },
    ...{ fromMs: 1_000, untilMs: 8.64e15, withdrawnMs: null },
  };
  const grants = [grant];
  let changed = (_subject: string) => {};
  const office = {
    standingGrants: (purpose: string) => grants.filter(({ purposes }) => purposes.includes(purpose)),
    onChange(handler: (subject: string) => void) {
      changed = handler;
      return { [Symbol.dispose]: () => {} };
    },
  };
  using _kept = keepGrantsFile({ file, purposes: ['research/rhythm'] }, office, { logger: silentLogger });
  const register = joinConsents([openConsentFile(file), { consentsFor: async () => [{ ...grant, id: 'own' }] }]);
  expect(await register.consentsFor('research/rhythm')).toMatchObject([
    { id: grant.id, withdrawnMs: null },
    { id: 'own' },
  ]);
  grants[0] = { ...grant, withdrawnMs: 5_000 };
  changed(grant.patient);
  expect(await register.consentsFor('research/rhythm')).toMatchObject([{ withdrawnMs: 5_000 }, { id: 'own' }]);
  rmSync(place, { recursive: true });
});
