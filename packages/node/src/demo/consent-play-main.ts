// The consent that runs its course in the demo, as a process of its own: `node consent-play-main.ts CONFIG.json`. Ends by itself.
import { readFileSync } from 'node:fs';
import { createSystemClock, errorMessage } from '@pulsemesh/base';
import { watchForStop } from '../process/lifetime.ts';
import { createNodeLogger, stopOnBugs, writeMessage } from '../process/process-log.ts';
import { playConsent } from './consent-play.ts';
import { consentPlaySettingsSchema } from './consent-play-settings.ts';

try {
  const settings = consentPlaySettingsSchema.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
  const logger = createNodeLogger({ name: 'consent-play', log: { level: 'info', file: settings.logFile } });
  const signal = watchForStop(true);
  stopOnBugs(logger);
  writeMessage({ type: 'ready', pid: process.pid });
  const onStep = (step: string) => {
    logger.info('a step of the consent', { step });
    writeMessage({ type: 'consent', step });
  };
  await playConsent(settings, onStep, { clock: createSystemClock(), logger, signal });
  process.exit(0);
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exit(1);
}
