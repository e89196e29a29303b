import type { WaitOptions } from '@pulsemesh/base';
import type { HomePatients, PatientProfile } from '@pulsemesh/ledger';
import type { SubjectId } from '@pulsemesh/network';
import type { Patient, PeopleDirectory } from '@pulsemesh/vitals/people';
import type { RecordsClient } from '@pulsemesh/vitals/records';

/** Windows are of ten seconds. */
const windowsPerHour = 360;
const allTime = { fromSeconds: 0, untilSeconds: 2 ** 32 };

/** The registered patients of the directory, judged by their stored windows and alerts. */
export function createHomePatients(directory: PeopleDirectory, records: RecordsClient): HomePatients {
  const registered = (subject: string): Patient | null => {
    const patient = directory.bySubject(subject as SubjectId); // an id of the directory, or of nobody
    return patient?.isRegistered ? patient : null;
  };
  return {
    list: () =>
      directory
        .list()
        .filter(({ isRegistered }) => isRegistered)
        .map(({ subjectId }) => subjectId),
    keyTree: (subject) => registered(subject)?.keyTree ?? null,
    async profile(subject, options = {}) {
      const patient = registered(subject);
      return patient === null ? nobody : await profileOf(patient, records, options);
    },
  };
}

const nobody: PatientProfile = { recordedHours: 0, irregular: false, inputs: [] };

async function profileOf({ keyTree }: Patient, records: RecordsClient, options: WaitOptions): Promise<PatientProfile> {
  const [windows, alerts] = await Promise.all([
    records.windows(keyTree, allTime, options),
    records.alertEvents(keyTree, allTime, options),
  ]);
  const usable = windows.filter(({ quality }) => quality.isUsable);
  return {
    recordedHours: Math.floor(usable.length / windowsPerHour),
    irregular: alerts.some(({ type }) => type === 'raised'),
    inputs: [...new Set(usable.map(({ input }) => input))],
  };
}
