import { type RecordedWindows, recordedWindows } from '@pulsemesh/vitals/model';
import { locateRecordings, openRecordings } from '@pulsemesh/vitals/recordings';
import { type BenchLine, benchLine } from '../report.ts';
import { figuresOf, type SplitFigures, settings } from './federated-figures.ts';

/** Seeds of the splits. Rounds and steps were chosen on the first three; the others were looked at once, afterwards. */
const seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const world = { sites: 10, patientsPerSite: 3 } as const;

/**
 * Ten sites, patient by patient, train together over real secure sums; the areas under the curve on patients of no site, beside the
 * product's trainer on all records in one place, and on each site's alone. Takes about ten minutes.
 */
export async function benchFederated(say: (text: string) => void): Promise<readonly BenchLine[]> {
  const directory = locateRecordings(process.env);
  if (directory === null) throw new Error('the public recordings are not there: see PULSEMESH_RECORDINGS');
  const recordings = await loadRecordings(`${directory}/rr`);
  const figures: SplitFigures[] = [];
  for (const seed of seeds) {
    const found = await figuresOf(recordings, { ...world, seed, settings });
    say(JSON.stringify(found));
    figures.push(found);
  }
  return linesOf(figures);
}

/** The labelled recordings of a folder as windows of beat-to-beat intervals. */
export async function loadRecordings(directory: string): Promise<readonly RecordedWindows[]> {
  const loaded: RecordedWindows[] = [];
  for (const file of await openRecordings(directory)) {
    const recording = await file.load();
    if (recording.type === 'beats' && recording.rhythms.length > 0) loaded.push(recordedWindows(recording, 'rr'));
  }
  return loaded;
}

function linesOf(figures: readonly SplitFigures[]): readonly BenchLine[] {
  const conditions = `${world.sites} sites of ${world.patientsPerSite} patients, ${figures.length} splits, held out: the rest; noise at epsilon 8, delta 1e-5`;
  const line = (
    metric: string,
    peerName: string,
    ours: (of: SplitFigures) => number,
    peer: (of: SplitFigures) => number,
  ) =>
    benchLine(
      { bench: 'federated', metric, unit: 'area under curve', peerName, conditions },
      figures.map(ours),
      figures.map(peer),
    );
  const areaOf = (name: string) => (of: SplitFigures) => of.federated[name] ?? Number.NaN;
  return [
    ...settings.map(({ name }) => line(name, 'all records in one place', areaOf(name), ({ pooled }) => pooled)),
    line('rhythm', 'sites alone, mean', areaOf('rhythm'), ({ aloneMean }) => aloneMean),
  ];
}
