import { defaultAlertPolicy } from '../alerts/policy.ts';
import type { InputKind } from '../windows/window.ts';
import type { ModelManifest, ModelManifestEntry } from './manifest.ts';

const inputTexts: Readonly<Record<InputKind, string>> = {
  rr: 'beat-to-beat intervals (a chest strap, an electrocardiogram)',
  hr: 'the rate of the last beat, once a second',
  wrist: 'a wrist device: five-second mean rate, whole numbers, once a second',
};

/** The model card as Markdown: what the models are, for whom, how they were measured, and what they cannot do. */
export function renderModelCard(manifest: ModelManifest): string {
  const entries = (Object.entries(manifest.models) as [InputKind, ModelManifestEntry][]).filter(([, entry]) => entry);
  const names = entries[0]?.[1].trainedOn.map(({ name }) => name) ?? [];
  return `${[
    '# Model card: irregular rhythm in ten seconds of heart rate',
    'Written by the training run (`npm run train`); do not edit.',
    '## What it is',
    whatItIs,
    '## What it is not',
    whatItIsNot,
    '## Files',
    table(
      ['input', 'what the device gives', 'file', 'model id', 'seed'],
      entries.map(([input, entry]) => [input, inputTexts[input], entry.file, entry.modelId, String(entry.seed)]),
    ),
    '## Figures on patients the network had not seen',
    howMeasured(entries[0]?.[1]),
    'Per window of ten seconds (fibrillation or flutter in more than half of it):',
    table(
      ['input', 'windows', 'irregular', 'not usable', 'area under curve', 'sensitivity at 95 % spec.', 'at 99 %'],
      entries.flatMap(([input, { unseen }]) => (unseen === null ? [] : [windowRow(input, unseen)])),
    ),
    'Per patient-day, under the shipped alert policy:',
    table(
      [
        'input',
        'policy',
        'false alerts per patient-day',
        'hours without fibrillation',
        'episodes ≥ 5 min found',
        'median delay',
      ],
      entries.flatMap(([input, { unseen }]) => (unseen === null ? [] : [alertRow(input, unseen)])),
    ),
    howCounted,
    '## Data',
    data,
    `Trained on: ${names.join(', ')}.`,
    '## Limits',
    limits,
  ].join('\n\n')}\n`;
}

function windowRow(input: InputKind, { windows }: NonNullable<ModelManifestEntry['unseen']>): readonly string[] {
  return [
    input,
    String(windows.scoredCount),
    String(windows.irregularCount),
    String(windows.unusableCount),
    decimal(windows.areaUnderCurve, 4),
    decimal(windows.sensitivityAt95, 3),
    decimal(windows.sensitivityAt99, 3),
  ];
}

function alertRow(input: InputKind, { alerts }: NonNullable<ModelManifestEntry['unseen']>): readonly string[] {
  const policy = defaultAlertPolicy[input];
  return [
    input,
    `mean of ${policy.spanSeconds / 60} min ≥ ${policy.enterMean}, leaves at ${policy.leaveMean}, mute ${policy.muteSeconds / 60} min`,
    decimal(alerts.falseAlertsPerPatientDay, 2),
    decimal(alerts.regularHours, 0),
    `${alerts.episodeFoundCount} of ${alerts.episodeCount}`,
    alerts.medianDelaySeconds === null ? '–' : `${alerts.medianDelaySeconds} s`,
  ];
}

function howMeasured(entry: ModelManifestEntry | undefined): string {
  if (!entry?.unseen) return 'Too few patients were there to measure any.';
  const { folds, recordCount, durationHours } = entry.unseen;
  return `${folds} folds by patient over ${recordCount} records (${decimal(durationHours, 0)} h): each patient is scored by a network trained on other patients only. The shipped files are then trained on all of them, so evaluating the shipped files on these very records flatters them; \`pulsemesh model evaluate --folds ${folds}\` repeats the honest figures.`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function decimal(value: number | null, digits: number): string {
  return value === null ? '–' : value.toFixed(digits);
}

const whatItIs = `A network of three layers (23 features, 32, 16, 1; about 1,300 weights) that gives each ten-second window of heart-rate data a score from 0 to 1: how much its rhythm looks like atrial fibrillation or flutter. It sees only the time between beats, never the shape of the electrocardiogram. The alert engine joins scores into episodes and tells people once per episode.`;

const whatItIsNot = `**Screening, not diagnosis.** A score or an alert is a hint that a clinician may want an electrocardiogram; silence is no statement that the rhythm is normal. It is **not for monitoring** of people at acute risk, not an alarm in the sense of IEC 60601-1-8, and not a medical device that any authority has cleared. Do not rely on it: anybody with chest pain, fainting or other symptoms (call for help instead); people with known, permanent atrial fibrillation; people with a pacemaker or frequent extra beats, for whom regular and irregular are told apart badly; people under 22, whom the data do not represent.`;

const howCounted = `A false alert is one raised although no fibrillation or flutter is labelled between the start of the episode as the engine saw it and the raise. An episode is found when an alert is raised during it or is open already; the delay counts from its onset, for alerts raised during it.`;

const data = `MIT-BIH Atrial Fibrillation Database (Moody & Mark 1983), MIT-BIH Arrhythmia Database (Moody & Mark 2001) and two MIT-BIH normal sinus rhythm records, beat annotations as RR intervals, from PhysioNet (Goldberger et al., PhysioBank, PhysioToolkit, and PhysioNet, Circulation 101(23), 2000), under the Open Data Commons Attribution License 1.0. The inputs \`hr\` and \`wrist\` are computed from the same intervals; no real wrist device took part. A record's windows are always on one side of a split.`;

const limits = `- The people: 43 patients, nearly all of one Boston hospital around 1980, most of them with heart disease; no statement about sex, age or skin tone groups can be drawn from so few.
- Frequent extra beats, bigeminy and trigeminy, sinus arrhythmia and paced rhythms are the common causes of false alerts. Heart block, pre-excitation and regular tachycardias are not seen at all.
- Beats were marked by experts on an electrocardiogram. An optical sensor in motion is far worse: in a study of consumer wrist devices only 30 to 75 % of fibrillation episodes followed the true rate (JMIR Cardio 2020). Expect the figures for \`wrist\` to be an upper bound.
- On databases never seen in training, published detectors of this kind lose about ten points of sensitivity.
- Thresholds were chosen on the same cross-validated scores that the figures per patient-day are counted on.`;
