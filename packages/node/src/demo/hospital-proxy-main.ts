// The proxy of the demo's hospital as a process of its own: `node hospital-proxy-main.ts CONFIG.json`.
import { readFileSync } from 'node:fs';
import { errorMessage } from '@pulsemesh/base';
import { aborted, watchForStop } from '../process/lifetime.ts';
import { createNodeLogger, stopOnBugs, writeMessage } from '../process/process-log.ts';
import { startHospitalProxy } from './hospital-proxy.ts';
import { hospitalProxySettingsSchema } from './hospital-proxy-settings.ts';

const host = '127.0.0.1';

try {
  const settings = hospitalProxySettingsSchema.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
  stopOnBugs(createNodeLogger({ name: 'hospital-proxy', log: { level: 'info', file: settings.logFile } }));
  const stop = watchForStop(true);
  const proxy = await startHospitalProxy({
    host,
    port: settings.port,
    targets: settings.targets.map(({ port, caFile }) => ({ host, port, ca: readFileSync(caFile, 'utf8') })),
    certificate: { cert: readFileSync(settings.certFile, 'utf8'), key: readFileSync(settings.keyFile, 'utf8') },
  });
  writeMessage({ type: 'ready', port: proxy.port, pid: process.pid });
  await aborted(stop);
  await proxy[Symbol.asyncDispose]();
  process.exit(0);
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exit(1);
}
