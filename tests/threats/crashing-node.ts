// A node that runs into a bug: started by crash.test.ts as a process of its own.
import { join } from 'node:path';
import { createNodeLogger, stopOnBugs } from '../../packages/node/src/process/process-log.ts';

const [directory = '', how] = process.argv.slice(2);
const logger = createNodeLogger({ name: 'crashing', log: { level: 'debug', file: join(directory, 'node.log') } });
stopOnBugs(logger);
const said = '{"userId":"QmMarkerWearer7Zq","heartrate":"137.25';
if (how === 'thrown') queueMicrotask(() => JSON.parse(said));
else if (how === 'rejected') void Promise.reject(new Error(`cannot read ${said}`));
else void Promise.reject(said);
process.stdin.resume();
