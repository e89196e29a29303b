// The module that a supervisor starts for a node: `node node-main.ts CONFIG.json`.
import { parseArgs } from 'node:util';
import { errorMessage } from '@pulsemesh/base';
import { readNodeConfig, readNodeSecrets } from '../config/node-config.ts';

const { positionals } = parseArgs({ allowPositionals: true });
try {
  const config = readNodeConfig(positionals[0] ?? null, process.env, {});
  const secrets = readNodeSecrets(config);
  const { runNode } = await import('./run-node.ts');
  // Whatever a library has left open must not keep the process.
  process.exit(await runNode(config, secrets, true));
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exit(1);
}
