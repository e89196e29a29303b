import { processOutput } from './output.ts';
import { runProgram } from './program.ts';

const [major = 0] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(`pulsemesh: Node 24 or newer is needed, this is ${process.version}. \`npm start\` brings it.\n`);
  process.exit(2);
}
const exitCode = await runProgram(process.argv.slice(2), processOutput);
// Kept-alive connections would hold the process for seconds; what was written is let out first.
process.stdout.write('', () => process.exit(exitCode));
