// The demo's mail inbox as a process of its own: `node inbox-main.ts CONFIG.json`.
import { readFileSync } from 'node:fs';
import { createSystemClock, errorMessage } from '@pulsemesh/base';
import { z } from 'zod';
import { startInbox } from '../inbox/index.ts';
import { aborted, watchForStop } from '../process/lifetime.ts';
import { createNodeLogger, stopOnBugs, writeMessage } from '../process/process-log.ts';

const settingsSchema = z.object({
  smtpPort: z.int(),
  httpPort: z.int(),
  directory: z.string(),
  logFile: z.string(),
});

try {
  const settings = settingsSchema.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
  const logger = createNodeLogger({ name: 'inbox', log: { level: 'info', file: settings.logFile } });
  const stop = watchForStop(true);
  stopOnBugs(logger);
  const inbox = await startInbox(settings, { clock: createSystemClock(), logger });
  writeMessage({ type: 'ready', url: inbox.url, pid: process.pid });
  await aborted(stop);
  await inbox[Symbol.asyncDispose]();
  process.exit(0);
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exit(1);
}
