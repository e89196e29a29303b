// A party of learning as a process of its own: `node learner-main.ts SETTINGS.json`.
import { readFileSync } from 'node:fs';
import { errorMessage } from '@pulsemesh/base';
import { learnerSettingsSchema } from './learner-settings.ts';
import { runLearner } from './run-learner.ts';

try {
  const settings = learnerSettingsSchema.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
  process.exit(await runLearner(settings, true));
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exit(1);
}
