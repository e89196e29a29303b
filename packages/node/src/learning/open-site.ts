import { hkdfSha256 } from '@pulsemesh/crypto';
import type { Identity } from '@pulsemesh/identity';
import { createSiteRecords, openPrivacyBook } from '@pulsemesh/learning';
import type { TableStore } from '@pulsemesh/store';
import type { NodeDependencies } from '../process/node-context.ts';
import { openConsentFile } from './consent-file.ts';
import type { SiteSettings } from './learner-settings.ts';
import { createRhythmSource, rhythmQuery } from './rhythm-records.ts';
import type { Site } from './site.ts';

/** A site over its recordings, its register of consents and its book of privacy spent. @throws {PrivacyBookError}. */
export function openSite(
  settings: SiteSettings,
  { identity, store }: { readonly identity: Identity; readonly store: TableStore },
  deps: NodeDependencies,
): Site {
  const { records, consentsFile, epsilonMax, roundsMax, patientsMin, models, tolerance } = settings;
  return {
    records: createSiteRecords(
      {
        queries: [rhythmQuery],
        secret: hkdfSha256({ key: identity.nodeBoxKey, info: 'pulsemesh/learning-consents/1', length: 32 }),
        reference: null,
      },
      { ...deps, source: createRhythmSource(records), consents: openConsentFile(consentsFile), tables: store },
    ),
    book: openPrivacyBook({ purposeEpsilonMax: epsilonMax }, { tables: store }),
    limits: { epsilonMax, roundsMax, patientsMin },
    models,
    tolerance,
  };
}
