import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@pulsemesh/crypto';
import { toHex } from '@pulsemesh/wire';
import type { LearnerSettingsInput } from '../learning/learner-settings.ts';
import { patientsOf, type RhythmPlace } from '../learning/rhythm-records.ts';
import { rhythmPurpose } from '../learning/rhythm-task.ts';
import { type Installation, writeFileAtomically } from './installation.ts';
import { demoPaths, firewalledLearner, hospitals, studyOffice } from './layout.ts';
import { relaySettings } from './member-config.ts';

const organisations: Readonly<Record<string, string>> = {
  'hospital-1': 'North Hospital',
  'hospital-2': 'East Hospital',
  'hospital-3': 'South Hospital',
  [studyOffice]: 'Study Office',
};

/** Patients whose recordings one hospital brings: enough to learn from, few enough for a small machine. */
const patientsMax = 5;
const consentYears = 5;

/** Where a hospital's recordings lie: its part of the folder, or hearts made up for it. */
function placeOf(index: number, recordings: string | null): RhythmPlace {
  if (recordings === null) return { kind: 'generated', seed: index + 1, patients: 6 };
  const beats = join(recordings, 'rr');
  const directory = existsSync(beats) ? beats : recordings;
  return { kind: 'folder', directory, share: { index, of: hospitals.length, patientsMax } };
}

/**
 * The settings of one party of the demo's study, and its register of consents: of each hospital's patients the last one said no.
 * @throws {RecordingError} when the folder cannot be read.
 */
export async function learnerSettings(
  name: string,
  installation: Installation,
  { dataDirectory, recordings }: { readonly dataDirectory: string; readonly recordings: string | null },
): Promise<LearnerSettingsInput> {
  const paths = demoPaths(dataDirectory);
  const index = hospitals.map(String).indexOf(name);
  const common = {
    name,
    organisation: organisations[name] ?? name,
    dataDirectory: paths.node(name),
    keyFile: paths.keyFile(name),
    relay: relaySettings(name === firewalledLearner, installation, paths),
    boardFile: paths.boardPolicy,
    boardCaFile: paths.certificate(name === firewalledLearner ? 'proxy' : 'board', 'ca'),
    logFile: paths.log(name),
  };
  if (index < 0) return { ...common, publishes: studyOf(installation) };
  const records = placeOf(index, recordings);
  await writeConsents(paths.consents(name), await patientsOf(records), installation.createdMs);
  const models = ['prediction-1', 'prediction-2'].map((node) => join(paths.node(node), 'models'));
  // One hospital runs the demo's prediction nodes.
  // The demo's study has no noise, which fits no budget.
  const site = { records, consentsFile: paths.consents(name), epsilonMax: null, models: index === 0 ? models : [] };
  return { ...common, site };
}

function studyOf({ peerIds }: Installation) {
  return {
    title: 'Irregular rhythms in ten-second windows',
    invited: hospitals.map((hospital) => peerIds[hospital] ?? ''),
    rounds: 5,
    localEpochs: 2,
    stepMs: 30_000,
    withinMs: 6 * 3_600_000,
    seed: 1,
  };
}

async function writeConsents(file: string, patients: readonly string[], createdMs: number): Promise<void> {
  if (existsSync(file)) return; // somebody may have changed it
  const at = (ms: number) => new Date(ms).toISOString();
  const rows = patients.map((patient, index) => ({
    id: toHex(sha256(new TextEncoder().encode(`demo consent ${patient}`))),
    patient,
    purposes: [rhythmPurpose],
    from: at(createdMs - 86_400_000),
    until: at(createdMs + consentYears * 365 * 86_400_000),
    ...(index === patients.length - 1 ? { withdrawn: at(createdMs) } : {}),
  }));
  writeFileAtomically(file, `${JSON.stringify(rows, null, 2)}\n`);
}
