import { errorCode } from '@pulsemesh/base';
import { hkdfSha256 } from '@pulsemesh/crypto';
import type { Identity } from '@pulsemesh/identity';
import {
  createCsvSource,
  createSiteRecords,
  type DataQuery,
  type DriftReference,
  openPrivacyBook,
  type RecordSource,
} from '@pulsemesh/learning';
import type { TableStore } from '@pulsemesh/store';
import { parsePeerId } from '@pulsemesh/wire';
import type { NodeDependencies } from '../process/node-context.ts';
import { joinConsents, openConsentFile } from './consent-file.ts';
import { shippedDriftReference } from './drift-reference.ts';
import type { SiteSettings } from './learner-settings.ts';
import { createRhythmSource, rhythmQuery } from './rhythm-records.ts';
import type { Site } from './site.ts';

/** A site over its records, its register of consents and its book of privacy spent. @throws {PrivacyBookError}. */
export async function openSite(
  settings: SiteSettings,
  { identity, store }: { readonly identity: Identity; readonly store: TableStore },
  deps: NodeDependencies,
): Promise<Site> {
  const { consentsFile, grantsFile, epsilonMax, roundsMax, patientsMin, models, tolerance, company } = settings;
  const { source, query, reference } = await recordsOf(settings, deps);
  const files = [consentsFile, ...(grantsFile === undefined ? [] : [grantsFile])];
  const consents = joinConsents(files.map(openConsentFile));
  return {
    records: createSiteRecords(
      {
        queries: [query],
        secret: hkdfSha256({ key: identity.nodeBoxKey, info: 'pulsemesh/learning-consents/1', length: 32 }),
        reference,
      },
      { ...deps, source, consents, tables: store },
    ),
    book: openPrivacyBook({ purposeEpsilonMax: epsilonMax }, { tables: store }),
    limits: { epsilonMax, roundsMax, patientsMin },
    ...(company === undefined
      ? {}
      : { company: { known: new Set(company.known.map(parsePeerId)), least: company.least } }),
    models,
    tolerance,
  };
}

interface Records {
  readonly source: RecordSource;
  readonly query: DataQuery;
  /** Null: drift is not told. */
  readonly reference: DriftReference | null;
}

async function recordsOf({ records }: SiteSettings, { logger }: Pick<NodeDependencies, 'logger'>): Promise<Records> {
  if (records.kind === 'csv') {
    const { directory, query } = records;
    return { source: createCsvSource({ directory }), query, reference: null };
  }
  const reference = await shippedDriftReference().catch((error: unknown) => {
    logger.warn('what the shipped model was trained on is not known: drift is not told', { code: errorCode(error) });
    return null;
  });
  return { source: createRhythmSource(records), query: rhythmQuery, reference };
}
