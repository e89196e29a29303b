import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createSystemClock, createSystemRandom } from '@pulsemesh/base';
import { expect, it } from 'vitest';
import { rotateSealing } from './change-identity.ts';
import { loadIdentity, loadOrCreateIdentity } from './load-or-create.ts';

/** Rotates without end and tells each epoch once it is on disk. */
const program = `
  import { createSystemClock, createSystemRandom } from '@pulsemesh/base';
  import { rotateSealing } from '@pulsemesh/identity';
  const [file, keyFile] = process.argv.slice(1);
  const deps = { clock: createSystemClock(), random: createSystemRandom() };
  for (;;) console.log((await rotateSealing({ file, keyFile }, deps)).sealing.epoch);
`;

async function rotateUntilKilled(options: { file: string; keyFile: string }, after: number): Promise<number> {
  const args = ['--input-type=module', '--eval', program, options.file, options.keyFile];
  const child = spawn(process.execPath, args, { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] });
  let told = 0;
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    told = Number(line);
    count += 1;
    if (count === after) child.kill('SIGKILL');
  }
  return told;
}

it('keeps every rotation it told of, and one whole identity, when it is killed again and again', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-kill-'));
  const options = { file: join(directory, 'identity'), keyFile: join(directory, 'key') };
  const dependencies = { clock: createSystemClock(), random: createSystemRandom() };
  const { peerId } = await loadOrCreateIdentity(options, dependencies);
  for (let kill = 1; kill <= 8; kill += 1) {
    const told = await rotateUntilKilled(options, kill * 3);
    const found = await loadIdentity(options, dependencies);
    expect(found.peerId).toBe(peerId);
    expect(found.sealing.epoch).toBeGreaterThanOrEqual(told);
    await rotateSealing(options, dependencies);
  }
  await rm(directory, { recursive: true });
});
